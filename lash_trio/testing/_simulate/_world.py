"""One simulated world: a store, workers that come and go, clients that do not give up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from ...abc import ProcessRegistry
from ...kernel import ReplayingEffectHost, TrioClock
from ...model import (
    JsonValue,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessProvenance,
    ProcessSuccess,
    Replay,
    StoreError,
)
from ...worker import (
    ProcessDefinitions,
    ProcessWorkRunner,
    StartRequest,
    WorkerOptions,
)
from ._faults import Between, FaultRates, Faults, FaultyRegistry, Stall, faulty
from ._journal import FaultyJournal, Openings
from ._shop import Ledger, shop_definitions
from ._stores import SimulatedProgram, SimulatedStore
from ._wire import WatchedWire

_LEASE_TTL_MS = 3_000
_SAFETY_SECONDS = 30
_LIVENESS_SECONDS = 600


class Violation(AssertionError):
    """The promise was broken; the text says which part of it, and where."""


@attrs.frozen(kw_only=True)
class WorldOptions:
    """How large a world is.

    Args:
        orders: how many processes clients start; each starts a child.
        workers: how many workers drive them.
        rates: how often calls go wrong.
    """

    orders: int = 3
    workers: int = 2
    rates: FaultRates = attrs.field(factory=FaultRates)


class World:
    """Runs one seed.

    Args:
        seed: decides all that is left to chance.
        store: what is simulated.
        options: how large it is.
    """

    def __init__(self, seed: int, store: SimulatedStore, options: WorldOptions) -> None:
        self.trace: list[str] = []
        self._options = options
        self._store = store
        self._faults = Faults(seed, options.rates, self._note)
        self._ledger = Ledger(self._note)
        self._openings = Openings(self._ledger)
        self._definitions: ProcessDefinitions = shop_definitions(self._ledger)
        self._outputs: dict[str, ProcessAwaitOutput] = {}

    async def run(self) -> None:
        """Let it live: first with faults, then without, until all is done.

        Raises:
            Violation: something happened that must not, or did not that must.
        """
        async with self._store.open_program(trio.lowlevel.checkpoint) as program:
            await self._live(program.registry)
            program.ways_to_kill[0]()
        async with self._store.open_program(trio.lowlevel.checkpoint) as program:
            await self._check(program.registry)

    async def _live(self, registry: ProcessRegistry) -> None:
        async with trio.open_nursery() as workers:
            self._wire = WatchedWire(workers, self._note, self._ledger.faults_found.append)
            for number in range(self._options.workers):
                workers.start_soon(self._keep_working, f"worker-{number}")
            with trio.move_on_after(_SAFETY_SECONDS + _LIVENESS_SECONDS) as patience:
                async with trio.open_nursery() as clients:
                    for number in range(self._options.orders):
                        clients.start_soon(self._order, registry, f"order-{number}", number + 1)
                    clients.start_soon(self._stop_faults)
            workers.cancel_scope.cancel("the simulation is over")
        if self._ledger.faults_found:
            raise Violation("; ".join(self._ledger.faults_found))
        if patience.cancelled_caught:
            missing = {f"order-{n}" for n in range(self._options.orders)} - self._outputs.keys()
            raise Violation(
                f"everything runnable must finish once the faults stop; {sorted(missing)} did not "
                f"within {_LIVENESS_SECONDS} s"
            )

    def _note(self, line: str) -> None:
        self.trace.append(f"{trio.current_time():10.3f}  {line}")

    async def _stop_faults(self) -> None:
        await trio.sleep(_SAFETY_SECONDS)
        self._note("the faults stop")
        self._faults.are_on = False

    async def _keep_working(self, name: str) -> None:
        """A worker that is killed and stalled, and started again each time."""
        life = 0
        while True:
            life += 1
            self._note(f"{name} starts")
            with trio.CancelScope() as life_of_it:
                await self._live_once(name, f"{name}.{life}", life_of_it)
            self._note(f"{name} was killed")
            await trio.sleep(0.1)

    async def _live_once(self, name: str, owner_id: str, life: trio.CancelScope) -> None:
        between = self._between()
        async with self._store.open_program(between.stall.wait) as program:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._disturb, name, between.stall, program)
                nursery.start_soon(self._bury, between.stall, program, life)
                await self._worker(name, owner_id, between, program).run()

    def _between(self) -> Between:
        return Between(faults=self._faults, wire=self._wire)

    def _worker(
        self, name: str, owner_id: str, between: Between, program: SimulatedProgram
    ) -> ProcessWorkRunner:
        journal = FaultyJournal(program.journal, name, between, self._openings)
        return ProcessWorkRunner(
            faulty(FaultyRegistry(program.registry, name, between)),
            ReplayingEffectHost(journal, owner_id=owner_id, clock=TrioClock()),
            self._definitions,
            WorkerOptions(lease_ttl_ms=_LEASE_TTL_MS, max_running=4),
            owner_id=owner_id,
        )

    async def _disturb(self, name: str, stall: Stall, program: SimulatedProgram) -> None:
        while True:
            await trio.sleep(self._faults.between(0.5, 5))
            if self._faults.draw(0.4):
                seconds = self._faults.between(1, 2.5 * _LEASE_TTL_MS / 1000)
                self._note(f"{name} stalls for {seconds:.3f} s")
                stall.begin(seconds)
            elif self._faults.draw(0.4):
                self._faults.choose(program.ways_to_kill)()

    async def _bury(self, stall: Stall, program: SimulatedProgram, life: trio.CancelScope) -> None:
        await program.killed.wait()
        life.cancel("killed")
        # What cannot be cancelled goes on, and finds that there is no store any more.
        stall.end()

    async def _order(self, store: ProcessRegistry, process_id: str, payments: int) -> None:
        """A client: starts a process, pays, and waits for what comes of it."""
        registry = faulty(FaultyRegistry(store, process_id, self._between()))
        registration = self._definitions.registration(
            "order",
            {"payments": payments},
            StartRequest(id=process_id, provenance=ProcessProvenance.host("simulation")),
        )
        await insist(lambda: registry.register_process(registration))
        for n in range(payments):
            await trio.sleep(self._faults.between(0, 12))
            request = ProcessEventAppendRequest(
                event_type="signal.paid", payload=n, replay=Replay(key=f"payment-{n}")
            )
            await insist(partial(registry.append_event, process_id, request))
            self._ledger.acknowledged.setdefault(process_id, []).append(f"payment-{n}")
            self._note(f"{process_id}: payment {n} is acknowledged")
        output = await registry.await_process(process_id)
        self._note(f"{process_id} ended: {output.tag}")
        self._outputs[process_id] = output

    async def _check(self, registry: ProcessRegistry) -> None:
        for number in range(self._options.orders):
            await self._check_order(registry, f"order-{number}", number + 1)

    async def _check_order(self, registry: ProcessRegistry, process_id: str, payments: int) -> None:
        events = await registry.events_after(process_id, 0)
        check_log(process_id, events)
        keys = [event.replay.key for event in events if event.replay is not None]
        for key in self._ledger.acknowledged[process_id]:
            if keys.count(key) != 1:
                raise Violation(
                    f"an acknowledged event is in the log once; {key!r} of {process_id} is there "
                    f"{keys.count(key)} times"
                )
        output = self._outputs[process_id]
        paid: list[JsonValue] = list(range(payments))
        expected: JsonValue = {"quotes": [0, 1, 2], "paid": paid, "part": payments}
        if not isinstance(output, ProcessSuccess) or output.value != expected:
            raise Violation(f"{process_id} must end with {expected}, it ended with {output}")


def check_log(process_id: str, events: list[ProcessEvent]) -> None:
    """Refuse a log with gaps, or with another number of ends than one.

    Raises:
        Violation: it has.
    """
    if [event.sequence for event in events] != list(range(1, len(events) + 1)):
        raise Violation(f"the events of {process_id} must be numbered without gaps")
    ends = [event.sequence for event in events if event.semantics.terminal is not None]
    if len(ends) != 1:
        raise Violation(f"{process_id} must end once, it ended at {ends}")


async def insist(call: Callable[[], Awaitable[object]]) -> None:
    """Ask until the store has answered."""
    while True:
        try:
            await call()
        except StoreError:
            await trio.sleep(0.2)
        else:
            return
