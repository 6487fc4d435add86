"""The worker: drives registered processes, each under a lease."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Container, Iterable, Sequence
from contextlib import ExitStack
from functools import partial

import trio

from ..abc import Clock, EffectHost, LeaseRenewer, ProcessRegistry
from ..kernel import TrioClock
from ..model import (
    DurabilityTier,
    EffectError,
    FunctionInput,
    LeaseHeldError,
    OperatorWait,
    PluginError,
    PluginReason,
    ProcessRecord,
    RerunDisposition,
    WaitKind,
    WaitState,
)
from ._definitions import ProcessDefinitions
from ._dormant import Dormant, is_due, is_known
from ._lease import LeaseKeeper, give_back
from ._left_alone import LeftAlone
from ._options import WorkerOptions, WorkerStatistics
from ._pokes import Pokes
from ._run import ProcessRun, RunEnvironment
from ._slots import Activity, RunningSlots
from ._timetable import Timetable
from ._unloading import Unloading
from ._waiting import WaitingOn

_logger = logging.getLogger("lash_trio.worker")

_CLAIM_SECONDS = 5.0
_PAGE = 100
_CLAIMS_AT_ONCE = 32


class ProcessWorkRunner:
    """Drives the processes of a registry that have not ended.

    It looks at start, on :meth:`poke`, and ``poll_seconds`` after it last looked at all:
    claims a row, looks again, runs the process in a task of its own, writes the end and gives the lease
    back in one transaction.  One row that cannot be driven never stops the others: it
    is left alone for a while, longer each time.

    Rows get running slots in the order of their ids; processes that go on after a
    wait queue with them, first come, first served.

    Args:
        registry: where the processes are.
        host: opens their effect scopes.
        definitions: what it can run.
        options: how.
        owner_id: whose leases they are; unique among the workers of a registry.
        clock: tells since when a process waits.

    Source: ``ProcessWorkRunner`` of the seed.
    """

    def __init__(
        self,
        registry: ProcessRegistry,
        host: EffectHost,
        definitions: ProcessDefinitions,
        options: WorkerOptions | None = None,
        *,
        owner_id: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._registry = registry
        self._definitions = definitions
        self._options = WorkerOptions() if options is None else options
        self.owner_id: str = f"worker-{uuid.uuid4().hex[:12]}" if owner_id is None else owner_id
        self._clock: Clock = TrioClock() if clock is None else clock
        self._slots = RunningSlots(self._options.max_running)
        self._runs: dict[str, ProcessRun] = {}
        self._left_alone = LeftAlone(definitions, self.owner_id)
        # Rows that wait for an operator, and that this worker has tried.
        self._tried: set[str] = set()
        self._pokes = Pokes()
        self._dormant = Dormant(self._pokes, self._clock)
        self._at_work = _AnyOf(self._runs, self._dormant)
        self._known = _AnyOf(self._at_work, self._left_alone)
        self._unloading = Unloading(
            self._options.max_loaded_parked, self._options.unload_after_seconds
        )
        # Until what the registry can do is known.
        self._is_told = False
        self._renewer: LeaseRenewer | None = None
        self._is_durable = host.durability_tier is DurabilityTier.DURABLE
        self._timetable = Timetable(self._options.poll_seconds)
        self._claiming = trio.CancelScope()
        self._started = False
        self._stopped = trio.Event()
        self._environment = RunEnvironment(
            registry=registry,
            host=host,
            definitions=definitions,
            clock=self._clock,
            cancel_grace_seconds=self._options.cancel_grace_seconds,
            poke=self.poke,
        )

    def statistics(self) -> WorkerStatistics:
        """What it is at now.  Not a checkpoint."""
        activities = [run.activity for run in self._runs.values()]
        running = sum(activity.holds_slot for activity in activities)
        parked = sum(activity.is_parked for activity in activities)
        repairs = {
            process_id: _why(wait.kind)
            for process_id in self._tried
            for wait in self._dormant.waits_of(process_id)
        }
        return WorkerStatistics(
            running=running,
            queued=len(activities) - running - parked,
            parked=parked,
            unloaded=len(self._dormant),
            left_alone={**self._left_alone.reasons(), **repairs},
        )

    def waiting_on(self) -> WaitingOn:
        """All that processes wait for here, loaded or not, and since when.  Not a checkpoint."""
        loaded = {run.process_id: run.waits.parked for run in self._runs.values()}
        return WaitingOn.of(self._clock.now_ms(), loaded, dict(self._dormant))

    def poke(self, process_id: str | None = None) -> None:
        """Look for work now.  Not a checkpoint.

        Args:
            process_id: the process to look at, even if it waits for an operator and was
                tried before; all of them where None.
        """
        if process_id is not None and process_id in self._tried:
            self._tried.discard(process_id)
            self._dormant.remove(process_id)
        self._pokes.poke(process_id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until :meth:`drain`, or until cancelled.

        Cancelled or drained, it stops its processes from outside: nothing is written
        about them, their leases are given back, and they can be driven again.

        Raises:
            RuntimeError: it has run before; make another.
        """
        if self._started:
            raise RuntimeError(f"the worker {self.owner_id!r} has run before; make another")
        self._started = True
        try:
            with ExitStack() as exits:
                self._use_registry(exits)
                async with trio.open_nursery() as nursery:
                    unloading = await nursery.start(self._unloading.keep_up)
                    task_status.started()
                    with self._claiming:
                        if self._registry.drives_processes:
                            await trio.sleep_forever()
                        await self._work(nursery)
                    with trio.move_on_after(self._options.drain_grace_seconds):
                        await self._slots.wait_idle()
                    unloading.cancel("the worker drains")
                    for run in self._runs.values():
                        run.stop("the worker drains")
        finally:
            self._stopped.set()

    async def drain(self) -> None:
        """Stop claiming, give running work its grace, stop the rest, give leases back.

        Parked processes are not waited for.  Returns when :meth:`run` has ended.
        Always a checkpoint.
        """
        self._claiming.cancel("the worker drains")
        await self._stopped.wait()

    def _use_registry(self, exits: ExitStack) -> None:
        """Use what this registry can do beyond what every one can."""
        renewing = self._registry.renew_leases(self._options.lease_ttl_ms)
        if renewing is not None:
            self._renewer = exits.enter_context(renewing)
        listening = self._registry.listen(self._dormant.tell)
        if listening is not None:
            exits.enter_context(listening)
            self._is_told = True
        self._timetable.is_always_everything = not (self._is_told and self._is_durable)

    async def _work(self, runs: trio.Nursery) -> None:
        while True:
            self._pokes.clear()
            next_look = await self._look_at_all(runs)
            looked_at: Sequence[str] = ()
            # What is cut off here is looked at with all the others at once.
            with trio.move_on_at(next_look):
                while (process_ids := await self._pokes.wait()) is not None:
                    looked_at = process_ids
                    await self._look_at(runs, process_ids)
                    looked_at = ()
            for process_id in looked_at:
                # Except for what is not listed then.
                if process_id in self._dormant:
                    self._pokes.poke(process_id)

    async def _look_at_all(self, runs: trio.Nursery) -> float:
        """Drive what there is to drive; returns when to look again, on trio's clock."""
        everything = self._timetable.is_everything_due()
        # Those that are not for here may have become so, or have ended.
        skip = self._at_work if everything else self._known
        seen: set[str] = set()
        after: str | None = None
        looking = 0.0
        while True:
            began = trio.current_time()
            try:
                page = await self._registry.list_claimable(
                    self.owner_id, skip, after=after, limit=_PAGE, parked=everything
                )
            except EffectError as error:
                _logger.warning(
                    "the registry could not list its processes: %s", error, extra=self._ids
                )
                return self._timetable.after_failure()
            now = trio.current_time()
            looking += now - began
            if after is None:
                self._left_alone.begin_look(everything)
            seen.update(record.id for record in page.records)
            await self._drive(runs, page.records)
            after = page.next_after
            if after is None:
                break
            # There may be very many pages, and who pokes need not wait for them all.
            await self._look_at(runs, self._pokes.take())
        if everything:
            self._left_alone.forget_pauses(but=seen)
        self._left_alone.note_held(page.held, self._clock.now_ms())
        expiry = None if page.next_expiry_ms is None else now + page.next_expiry_ms / 1000
        return self._timetable.after_look(looking, everything, expiry)

    async def _look_at(self, runs: trio.Nursery, process_ids: Iterable[str]) -> None:
        records: list[ProcessRecord] = []
        for process_id in process_ids:
            if process_id in self._runs:
                continue
            try:
                record = await self._registry.get_process(process_id)
            except EffectError as error:
                self._warn("process %s could not be looked at: %s", process_id, error)
                self._forget_dormant(process_id)
                continue
            if record is None or record.is_terminal:
                self._dormant.remove(process_id)
                self._tried.discard(process_id)
                continue
            if process_id in self._dormant and not self._dormant.still_holds(record):
                self._dormant.remove(process_id)
            records.append(record)
        await self._drive(runs, records)

    async def _drive(self, runs: trio.Nursery, records: Iterable[ProcessRecord]) -> None:
        free = await self._less_dormant(
            [
                record
                for record in records
                if record.id not in self._runs and self._left_alone.can_run(record)
            ]
        )
        # The slot comes first: a row is claimed only when it can run.
        chosen: list[tuple[ProcessRecord, Activity]] = []
        try:
            for record in free:
                if chosen and (len(chosen) == _CLAIMS_AT_ONCE or not self._slots.has_free):
                    ready, chosen = chosen, []
                    await self._start(runs, ready)
                # Claiming is shielded, so that this is where a drain ends it.
                await trio.lowlevel.checkpoint()
                activity = Activity(self._slots)
                chosen.append((record, activity))
                await activity.task_resumed()
            ready, chosen = chosen, []
            await self._start(runs, ready)
        finally:
            for _, activity in chosen:
                activity.end()

    async def _start(
        self, runs: trio.Nursery, chosen: Sequence[tuple[ProcessRecord, Activity]]
    ) -> None:
        """Claim rows at once, so that a store can share its commits; run them in their order."""
        claimed: list[ProcessRun | None] = [None] * len(chosen)

        async def claim(number: int, record: ProcessRecord, activity: Activity) -> None:
            claimed[number] = await self._claim(record, activity)

        try:
            async with trio.open_nursery() as claims:
                for number, (record, activity) in enumerate(chosen):
                    claims.start_soon(claim, number, record, activity)
        finally:
            # Also where a drain came meanwhile: what is claimed here has to be run here.
            for (record, activity), run in zip(chosen, claimed, strict=True):
                if run is None:
                    activity.end()
                    continue
                self._runs[record.id] = run
                activity.on_change(partial(self._note_activity, run))
                run.waits.on_shown(self._unloading.check)
                runs.start_soon(self._run, run, name=f"process {record.id}")

    async def _less_dormant(self, records: list[ProcessRecord]) -> list[ProcessRecord]:
        """The rows without those that wait for what is not there yet."""
        waits: dict[str, tuple[WaitState, ...]] = {}
        # Below the limit they are loaded: code that cannot go on is seen at once.
        room = self._options.max_loaded_parked - len(self._runs)
        for record in records:
            waits_of_one = self._dormant.waits_of(record.id) or self._waits_of_row(record, room)
            if not waits_of_one:
                room -= 1
            else:
                waits[record.id] = waits_of_one
                if self._is_told and record.id not in self._dormant:
                    self._dormant.add(record.id, waits_of_one)
        if not waits:
            return records
        kinds = {i: tuple(wait.kind for wait in each) for i, each in waits.items()}
        try:
            ready = await self._registry.find_ready(kinds)
        except EffectError as error:
            _logger.warning(
                "the registry could not tell who still waits: %s", error, extra=self._ids
            )
            for process_id in waits:
                self._forget_dormant(process_id)
            return [record for record in records if record.id not in waits]
        for process_id in ready:
            self._dormant.remove(process_id)
        if self._is_told:
            # Some may have been told of something while the registry was asked.
            return [record for record in records if record.id not in self._dormant]
        still = {i: each for i, each in waits.items() if i not in ready}
        for process_id, each in still.items():
            self._left_alone.note(process_id, _why(each[0].kind))
        return [record for record in records if record.id not in still]

    def _waits_of_row(self, record: ProcessRecord, room: int) -> tuple[WaitState, ...]:
        """What a row says the process waits for, where it need not be run before."""
        wait = record.wait
        if wait is None:
            return ()
        if isinstance(wait.kind, OperatorWait):
            return (wait,) if record.id in self._tried else ()
        is_enough = (
            room <= 0
            and wait.sole
            and is_known(wait.kind)
            and not is_due(wait, self._clock.now_ms())
        )
        return (wait,) if is_enough and self._can_unload(record) else ()

    def _can_unload(self, record: ProcessRecord) -> bool:
        """Whether a process can be left to its wait: it will find again what it did."""
        rerun = record.input.rerun if isinstance(record.input, FunctionInput) else None
        return self._is_told and self._is_durable and rerun is RerunDisposition.RERUNNABLE

    async def _claim(self, record: ProcessRecord, activity: Activity) -> ProcessRun | None:
        """Become the owner of a row, and look again; None where that cannot be."""
        asked_at = trio.current_time()
        ttl_ms = self._options.lease_ttl_ms
        # Not to be cut off between the two, which would leave a lease that nobody holds.
        with trio.move_on_after(_CLAIM_SECONDS, shield=True):
            try:
                lease = await self._registry.claim_process_lease(record.id, self.owner_id, ttl_ms)
            except Exception as error:  # noqa: BLE001
                # Whatever is wrong with this row, the others are driven.
                self._note_unclaimed(record, error)
                return None
            # The row may be another one since it was listed; what counts is what it
            # is under the lease.
            try:
                current = await self._registry.get_process(record.id)
            except Exception as error:  # noqa: BLE001
                # The same.
                self._note_unclaimed(record, error)
                current = None
            if current is not None:
                keeper = LeaseKeeper(self._registry, lease, ttl_ms, asked_at, self._renewer)
                return ProcessRun(self._environment, current, keeper, activity)
            await give_back(self._registry, lease)
        return None

    def _note_unclaimed(self, record: ProcessRecord, error: Exception) -> None:
        if isinstance(error, PluginError) and error.reason == PluginReason.PROCESS_TERMINAL:
            return
        self._left_alone.note(record.id, f"it could not be claimed: {error}")
        if isinstance(error, LeaseHeldError):
            left = error.left_ms / 1000
            if left <= self._timetable.poll_seconds:
                self._pokes.at(record.id, trio.current_time() + left)
        elif not (isinstance(error, PluginError) and error.reason == PluginReason.LEASE_HELD):
            self._warn("process %s could not be claimed: %s", record.id, error)

    async def _run(self, run: ProcessRun) -> None:
        process_id = run.process_id
        try:
            await run.run()
        finally:
            del self._runs[process_id]
            self._unloading.remove(run)
        # Not by what the row says: another worker may be at it just now.
        if any(isinstance(wait.kind, OperatorWait) for wait in run.left_waiting):
            self._tried.add(process_id)
        else:
            self._tried.discard(process_id)
        if run.left_waiting and self._is_told:
            self._dormant.add(process_id, run.left_waiting)
            # Something may have come before it was dormant.
            self._pokes.poke(process_id)
        paused_until = self._left_alone.ended_run(process_id, run.fault)
        if paused_until is not None:
            self._pokes.at(process_id, paused_until)

    def _note_activity(self, run: ProcessRun) -> None:
        if not run.activity.is_parked:
            self._unloading.remove(run)
        elif self._can_unload(run.record) and not run.is_stopped:
            self._unloading.add(run)

    def _forget_dormant(self, process_id: str) -> None:
        """See to it that a process is found when everything is looked at."""
        if process_id in self._dormant:
            self._dormant.remove(process_id)
            self._timetable.look_at_everything()

    @property
    def _ids(self) -> dict[str, object]:
        return {"owner_id": self.owner_id}

    def _warn(self, text: str, process_id: str, error: Exception) -> None:
        _logger.warning(
            text, process_id, error, extra={"process_id": process_id, "owner_id": self.owner_id}
        )


class _AnyOf:
    """The processes that are in any of some containers."""

    def __init__(self, *parts: Container[str]) -> None:
        self._parts = parts

    def __contains__(self, process_id: object) -> bool:
        return isinstance(process_id, str) and any(process_id in part for part in self._parts)


def _why(kind: WaitKind) -> str:
    if isinstance(kind, OperatorWait):
        return f"it waits for an operator ({kind.code}): {kind.message}"
    return f"it waits ({kind.tag})"
