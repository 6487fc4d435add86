"""The worker: drives registered processes, each under a lease."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping

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
    ProcessRecord,
    RerunDisposition,
)
from ._definitions import ProcessDefinitions
from ._lease import LeaseKeeper, give_back
from ._pokes import Pokes
from ._run import ProcessRun, RunEnvironment
from ._slots import Activity, RunningSlots

_logger = logging.getLogger("lash_trio.worker")

_CLAIM_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0


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
        queued: processes that could go on and wait for a slot.
        parked: processes here whose tasks all wait for something else.
        left_alone: why rows that have not ended are not run here, by process id.
    """

    running: int
    queued: int
    parked: int
    left_alone: Mapping[str, str]


@attrs.frozen(kw_only=True)
class _Pause:
    """For how long a row is left alone whose run broke off."""

    seconds: float
    until: float
    why: str


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
        self._slots = RunningSlots(self._options.max_running)
        self._runs: dict[str, ProcessRun] = {}
        self._pauses: dict[str, _Pause] = {}
        self._left_alone: dict[str, str] = {}
        self._pokes = Pokes()
        self._claiming = trio.CancelScope()
        self._started = False
        self._stopped = trio.Event()
        self._environment = RunEnvironment(
            registry=registry,
            host=host,
            definitions=definitions,
            clock=TrioClock() if clock is None else clock,
            cancel_grace_seconds=self._options.cancel_grace_seconds,
            poke=self.poke,
        )

    def statistics(self) -> WorkerStatistics:
        """What it is at now.  Not a checkpoint."""
        activities = [run.activity for run in self._runs.values()]
        running = sum(activity.holds_slot for activity in activities)
        parked = sum(activity.is_parked for activity in activities)
        return WorkerStatistics(
            running=running,
            queued=len(activities) - running - parked,
            parked=parked,
            left_alone=dict(self._left_alone),
        )

    def poke(self, process_id: str | None = None) -> None:
        """Look for work now.  Not a checkpoint.

        Args:
            process_id: the process to look at; all of them where None.
        """
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
            async with trio.open_nursery() as nursery:
                task_status.started()
                with self._claiming:
                    await self._work(nursery)
                with trio.move_on_after(self._options.drain_grace_seconds):
                    await self._slots.wait_idle()
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

    async def _work(self, runs: trio.Nursery) -> None:
        while True:
            self._pokes.clear()
            await self._look_at_all(runs)
            # What is cut off here is looked at with all the others at once.
            with trio.move_on_after(self._options.poll_seconds):
                while (process_ids := await self._pokes.wait()) is not None:
                    await self._look_at(runs, process_ids)

    async def _look_at_all(self, runs: trio.Nursery) -> None:
        try:
            records = await self._registry.list_non_terminal()
        except EffectError as error:
            _logger.warning("the registry could not list its processes: %s", error)
            return
        self._left_alone = {}
        ids = {record.id for record in records}
        self._pauses = {i: pause for i, pause in self._pauses.items() if i in ids}
        await self._drive(runs, records)

    async def _look_at(self, runs: trio.Nursery, process_ids: Iterable[str]) -> None:
        records: list[ProcessRecord] = []
        for process_id in process_ids:
            try:
                record = await self._registry.get_process(process_id)
            except EffectError as error:
                _logger.warning("process %s could not be looked at: %s", process_id, error)
                continue
            if record is not None and not record.is_terminal:
                records.append(record)
        await self._drive(runs, records)

    async def _drive(self, runs: trio.Nursery, records: Iterable[ProcessRecord]) -> None:
        # The slot comes first: a row is claimed only when it can run.
        activity = Activity(self._slots)
        try:
            for record in records:
                if not self._can_run(record):
                    continue
                # Claiming is shielded, so that this is where a drain ends it.
                await trio.lowlevel.checkpoint()
                if activity.is_parked:
                    await activity.task_resumed()
                run = await self._claim(record, activity)
                if run is not None:
                    self._runs[record.id] = run
                    runs.start_soon(self._run, run, name=f"process {record.id}")
                    activity = Activity(self._slots)
        finally:
            activity.end()

    def _can_run(self, record: ProcessRecord) -> bool:
        if record.id in self._runs:
            return False
        why = self._hindrance(record)
        if why is None:
            self._left_alone.pop(record.id, None)
        else:
            self._left_alone[record.id] = why
        return why is None

    def _hindrance(self, record: ProcessRecord) -> str | None:
        """Why a row is not to be run here, or None."""
        match record.input:
            case FunctionInput(rerun=RerunDisposition.EXTERNAL):
                return "it is external: no worker runs it"
            case FunctionInput(name=name) if name not in self._definitions:
                return f"there is no definition {name!r} here"
            case FunctionInput(name=name, rerun=rerun):
                here = self._definitions.get(name).rerun
                if here is not rerun:
                    return f"the row is {rerun}, the definition {name!r} here is {here}"
            case other:
                return f"its input is {other.tag}, and this worker runs functions"
        pause = self._pauses.get(record.id)
        left = 0.0 if pause is None else pause.until - trio.current_time()
        if pause is None or left <= 0:
            return None
        return f"its last run broke off ({pause.why}); it is tried again in {left:.1f} s"

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
                keeper = LeaseKeeper(self._registry, lease, ttl_ms, asked_at)
                return ProcessRun(self._environment, current, keeper, activity)
            await give_back(self._registry, lease)
        return None

    def _note_unclaimed(self, record: ProcessRecord, error: Exception) -> None:
        if isinstance(error, PluginError) and error.reason == PluginReason.PROCESS_TERMINAL:
            return
        self._left_alone[record.id] = f"it could not be claimed: {error}"
        if not (isinstance(error, PluginError) and error.reason == PluginReason.LEASE_HELD):
            _logger.warning("process %s could not be claimed: %s", record.id, error)

    async def _run(self, run: ProcessRun) -> None:
        try:
            await run.run()
        finally:
            del self._runs[run.process_id]
        last = self._pauses.pop(run.process_id, None)
        if run.fault is not None:
            seconds = _FIRST_PAUSE_SECONDS if last is None else 2 * last.seconds
            seconds = min(seconds, _LONGEST_PAUSE_SECONDS)
            self._pauses[run.process_id] = _Pause(
                seconds=seconds, until=trio.current_time() + seconds, why=str(run.fault)
            )
