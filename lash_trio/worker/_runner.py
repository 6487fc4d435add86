"""The worker: drives registered processes, each under a lease."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping

import attrs
import trio
from attrs.validators import ge, gt

from ..abc import Clock, EffectHost, ProcessRegistry
from ..kernel import TrioClock
from ..model import (
    EffectError,
    FunctionInput,
    PluginError,
    PluginReason,
    ProcessLeaseCompletion,
    ProcessRecord,
    RerunDisposition,
)
from ._definitions import ProcessDefinitions
from ._run import ProcessRun, RunEnvironment
from ._slots import RunningSlots

_logger = logging.getLogger("lash_trio.worker")


@attrs.frozen(kw_only=True)
class WorkerOptions:
    """How a worker works.

    Args:
        max_running: how many processes may run at once; parked ones do not count.
        poll_seconds: how often it looks for work that nobody told it of.
        lease_ttl_ms: for how long a lease lasts; it is renewed three times as often.
        cancel_grace_seconds: how long a process that was asked to end may take,
            before what it awaits outside of effects is cancelled too.
        drain_grace_seconds: how long running processes may go on in a drain.
    """

    max_running: int = attrs.field(default=100, validator=ge(1))
    poll_seconds: float = attrs.field(default=0.4, validator=gt(0))
    lease_ttl_ms: int = attrs.field(default=30_000, validator=ge(3))
    cancel_grace_seconds: float = attrs.field(default=5.0, validator=ge(0))
    drain_grace_seconds: float = attrs.field(default=10.0, validator=ge(0))


@attrs.frozen(kw_only=True)
class WorkerStatistics:
    """What a worker is at.

    Args:
        running: processes that hold a running slot.
        parked: processes here whose tasks all wait.
        left_alone: why rows that have not ended are not run here, by process id.
    """

    running: int
    parked: int
    left_alone: Mapping[str, str]


class ProcessWorkRunner:
    """Drives the processes of a registry that have not ended.

    It looks at start, on :meth:`poke`, and every ``poll_seconds``: claims a row, looks
    again, runs the process in a task of its own, writes the end and gives the lease
    back in one transaction.  One row that cannot be driven never stops the others.

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
        self.owner_id = f"worker-{uuid.uuid4().hex[:12]}" if owner_id is None else owner_id
        self._slots = RunningSlots(self._options.max_running)
        self._runs: dict[str, ProcessRun] = {}
        self._left_alone: dict[str, str] = {}
        self._poked = trio.Event()
        self._draining = trio.Event()
        self._stopped = trio.Event()
        self._environment = RunEnvironment(
            registry=registry,
            host=host,
            definitions=definitions,
            slots=self._slots,
            clock=TrioClock() if clock is None else clock,
            cancel_grace_seconds=self._options.cancel_grace_seconds,
            poke=self.poke,
        )

    def statistics(self) -> WorkerStatistics:
        """What it is at now.  Not a checkpoint."""
        parked = sum(run.is_parked for run in self._runs.values())
        return WorkerStatistics(
            running=len(self._runs) - parked, parked=parked, left_alone=dict(self._left_alone)
        )

    def poke(self) -> None:
        """Look for work now.  Not a checkpoint."""
        self._poked.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until :meth:`drain`, or until cancelled.

        Cancelled or drained, it stops its processes from outside: nothing is written
        about them, their leases are given back, and they can be driven again.  A
        worker runs once; make another to run again.
        """
        try:
            async with trio.open_nursery() as nursery:
                renewing = trio.CancelScope()
                nursery.start_soon(self._renew_leases, renewing)
                task_status.started()
                await self._work_until_drained(nursery)
                await self._wait_for_running_work()
                renewing.cancel("the worker has drained")
                for run in self._runs.values():
                    run.stop("the worker drains")
        finally:
            self._stopped.set()

    async def drain(self) -> None:
        """Stop claiming, give running work its grace, stop the rest, give leases back.

        Parked processes are not waited for.  Returns when :meth:`run` has ended.
        Always a checkpoint.
        """
        self._draining.set()
        self.poke()
        await self._stopped.wait()

    async def _work_until_drained(self, runs: trio.Nursery) -> None:
        while not self._draining.is_set():
            self._poked = trio.Event()
            await self._sweep(runs)
            with trio.move_on_after(self._options.poll_seconds):
                await self._poked.wait()

    async def _wait_for_running_work(self) -> None:
        with trio.move_on_after(self._options.drain_grace_seconds):
            await self._slots.wait_idle()

    async def _sweep(self, runs: trio.Nursery) -> None:
        try:
            records = await self._registry.list_non_terminal()
        except EffectError as error:
            _logger.warning("the registry could not list its processes: %s", error)
            return
        self._left_alone = {}
        for record in records:
            if self._draining.is_set() or not self._slots.are_free:
                return
            if record.id not in self._runs and self._can_run(record):
                await self._claim(runs, record)

    def _can_run(self, record: ProcessRecord) -> bool:
        match record.input:
            case FunctionInput(rerun=RerunDisposition.EXTERNAL):
                return False
            case FunctionInput(name=name, rerun=rerun):
                if name not in self._definitions:
                    why = f"there is no definition {name!r} here"
                elif self._definitions.get(name).rerun is not rerun:
                    here = self._definitions.get(name).rerun
                    why = f"the row is {rerun}, the definition {name!r} here is {here}"
                else:
                    return True
                self._left_alone[record.id] = why
                return False
            case _:
                # Other inputs are somebody else's work.
                return False

    async def _claim(self, runs: trio.Nursery, record: ProcessRecord) -> None:
        try:
            lease = await self._registry.claim_process_lease(
                record.id, self.owner_id, self._options.lease_ttl_ms
            )
        except PluginError as error:
            if error.reason not in (PluginReason.LEASE_HELD, PluginReason.PROCESS_TERMINAL):
                _logger.warning("process %s could not be claimed: %s", record.id, error)
            return
        except EffectError as error:
            _logger.warning("process %s could not be claimed: %s", record.id, error)
            return
        # The row may be another one since it was listed; what counts is what it is
        # under the lease.
        try:
            current = await self._registry.get_process(record.id)
        except BaseException:
            with trio.move_on_after(1, shield=True):
                await self._registry.complete_process_lease(ProcessLeaseCompletion.of(lease))
            raise
        if current is not None:
            self._slots.take_now()
            run = ProcessRun(self._environment, current, lease)
            self._runs[record.id] = run
            runs.start_soon(self._run, run, name=f"process {record.id}")

    async def _run(self, run: ProcessRun) -> None:
        try:
            await run.run()
        finally:
            del self._runs[run.process_id]
            # Its slot is free, and what it left behind may be driven at once.
            self.poke()

    async def _renew_leases(self, renewing: trio.CancelScope) -> None:
        with renewing:
            while True:
                await trio.sleep(self._options.lease_ttl_ms / 3000)
                for run in list(self._runs.values()):
                    await self._renew(run)

    async def _renew(self, run: ProcessRun) -> None:
        try:
            run.lease = await self._registry.renew_process_lease(
                run.lease, self._options.lease_ttl_ms
            )
        except PluginError as error:
            if self._runs.get(run.process_id) is run:
                _logger.warning("process %s is stopped here: %s", run.process_id, error)
                run.lose_lease()
        except EffectError as error:
            # The store may be back before the lease expires; if not, the next
            # renewal finds the lease lost.
            _logger.warning("the lease of process %s was not renewed: %s", run.process_id, error)
