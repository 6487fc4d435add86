"""Process functions for engines that keep processes themselves.

An engine such as Restate has its own way to know which processes there are, who runs
them and when; of a worker it needs only what calls a process's function and says how it
ended.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import attrs
import trio

from ..abc import Clock, ProcessRegistry
from ..kernel import ScopedEffectController, SystemClock
from ..model import (
    DurabilityTier,
    FunctionInput,
    JsonObject,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessProvenance,
    ProcessRecord,
    ProcessRegistration,
    ProcessSuccess,
    RerunDisposition,
    copy_json,
    prepare_registration,
    terminal_event,
)
from ._context import ContextParts, ProcessContext
from ._definitions import ProcessDefinition, ProcessDefinitions, StartRequest
from ._faults import breaks_off, fault_to_repair
from ._hosted_waits import HostedWaits
from ._output import (
    abandoned_output,
    as_json,
    cancelled_output,
    error_text,
    failure_output,
    parent_has_ended,
)
from ._slots import Activity, RunningSlots
from ._unheard import unheard_signals

_logger = logging.getLogger("lash_trio.worker")

_NO_LIMIT = 2**63
_ENDED_BEFORE = frozenset({PluginReason.REPLAY_CONFLICT, PluginReason.PROCESS_TERMINAL})


class HostedProcesses:
    """The processes that an engine can run.

    Args:
        definitions: what there is to run.
        host_profile_id: names this configuration in the provenance of processes.
        cancel_grace_seconds: how long a process that was asked to end may take, before
            what it awaits outside of effects is cancelled too.
        clock: tells the time.
    """

    def __init__(
        self,
        definitions: ProcessDefinitions,
        *,
        host_profile_id: str = "default",
        cancel_grace_seconds: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        self._definitions = definitions
        self._host_profile_id = host_profile_id
        self._cancel_grace_seconds = cancel_grace_seconds
        self._clock: Clock = SystemClock() if clock is None else clock

    def registration(
        self, process_id: str, definition: str, args: JsonObject
    ) -> ProcessRegistration:
        """What registers a process that nobody has registered.

        Args:
            process_id: not blank.
            definition: the name of a definition.
            args: the JSON arguments, by name.

        Raises:
            PluginError: ``unknown_definition``, ``invalid_arguments``,
                ``invalid_registration``, also where the definition is external.
        """
        self._check_runs(process_id, self._definitions.get(definition).rerun)
        provenance = ProcessProvenance.host(self._host_profile_id)
        start = StartRequest(id=process_id, provenance=provenance)
        return prepare_registration(
            self._definitions.registration(definition, args, start)
        ).registration

    def open(
        self,
        record: ProcessRecord,
        scope: ScopedEffectController,
        registry: ProcessRegistry,
        *,
        is_rerun: bool = False,
    ) -> HostedProcess:
        """One run of a process, in an opened effect scope.

        Args:
            record: the row of the process; a ``function``.
            scope: the process's.
            registry: for what the context asks of other processes, and for the log.
            is_rerun: whether the row may show what an earlier run waited for.

        Raises:
            PluginError: ``unknown_definition``, also where it may be run again here and not
                by the row, or the other way round; ``invalid_registration`` for an
                external one.
        """
        if not isinstance(record.input, FunctionInput):
            raise TypeError(f"expected the row of a function, got {record.input.tag!r}")
        definition = self._definitions.get(record.input.name)
        self._check_runs(record.id, record.input.rerun)
        if definition.rerun is not record.input.rerun:
            raise PluginError(
                PluginReason.UNKNOWN_DEFINITION,
                f"process {record.id!r} is {record.input.rerun}, and the definition "
                f"{definition.name!r} here is {definition.rerun}; serve the one that it was "
                "registered with",
            )
        activity = Activity(RunningSlots(_NO_LIMIT))
        waits = HostedWaits(registry, record.id, activity, self._clock)
        parts = ContextParts(
            scope=scope,
            registry=registry,
            record=record,
            lease=_no_lease,
            definitions=self._definitions,
            waits=waits,
            activity=activity,
            clock=self._clock,
            poke=_nothing,
        )
        return HostedProcess(
            HostedRun(
                definition=definition,
                args=dict(record.input.args),
                parts=parts,
                waits=waits,
                is_rerun=is_rerun,
                cancel_grace_seconds=self._cancel_grace_seconds,
            )
        )

    def _check_runs(self, process_id: str, rerun: RerunDisposition) -> None:
        if rerun is RerunDisposition.EXTERNAL:
            raise PluginError(
                PluginReason.INVALID_REGISTRATION,
                f"process {process_id!r} is external: no engine runs it; register it with the "
                "registry alone, and end it there",
            )


@attrs.frozen(kw_only=True)
class HostedRun:
    """What one run of a process works with.

    Args:
        definition: of the process.
        args: of its function, by name.
        parts: of its context.
        waits: its waits; those of the parts.
        is_rerun: whether there was a run before.
        cancel_grace_seconds: how long it may take to end after a cancel request.
    """

    definition: ProcessDefinition
    args: JsonObject
    parts: ContextParts
    waits: HostedWaits
    is_rerun: bool
    cancel_grace_seconds: float


class HostedProcess:
    """One run of a process's function.

    Made by :meth:`HostedProcesses.open`.
    """

    def __init__(self, run: HostedRun) -> None:
        self._run = run
        self._definition = run.definition
        self._parts = run.parts
        self._context = ProcessContext(run.parts)
        self._cancel_requested = trio.Event()
        self._cancel_reason: str | None = None

    def cancel(self, reason: str | None = None) -> None:
        """Ask it to end as cancelled; the first reason stays.  Not a checkpoint."""
        if not self._cancel_requested.is_set():
            self._cancel_reason = reason
            self._cancel_requested.set()
            self._parts.scope.cancel(reason)

    def abandoned(self) -> ProcessAwaitOutput:
        """How it ends where an earlier run was lost and it may not be run again.

        Its code is ``process_abandoned``.  Not a checkpoint.
        """
        return abandoned_output(self._definition.name)

    async def run(self) -> ProcessAwaitOutput:
        """Call the function, to its end.

        Returns:
            How the process ended, whatever the function raised.

        Raises:
            EffectError: ``effect_replay_mismatch``, ``effect_replay_missing`` or
                ``effect_path_shared``: somebody has to repair the code.
            Exception: what else stands in the way of this run and is no end of the
                process, such as ``runtime_store``; maybe in a group.

        Always a checkpoint.
        """
        await self._parts.activity.task_resumed()
        async with trio.open_nursery() as nursery:
            self._run.waits.attend(nursery, self._parts.scope, is_rerun=self._run.is_rerun)
            body = trio.CancelScope()
            nursery.start_soon(self._hurry, body)
            result = await self._call(body)
            nursery.cancel_scope.cancel("the function has ended")
        if isinstance(result, ProcessAwaitOutput):
            return result
        raise result

    async def end(
        self, output: ProcessAwaitOutput, started: Iterable[ProcessRegistration] = ()
    ) -> ProcessAwaitOutput:
        """Write how it ended into its log; the same again is no change.

        A process that did not succeed asks its children to end first, in the order in
        which they were started.

        Args:
            output: how it ended.
            started: the children that it, or an earlier run, may have started.

        Returns:
            How it has ended: what the log had before, if that is another end.

        Raises:
            EffectError: the registry did not answer.

        Always a checkpoint.
        """
        registry, process_id = self._parts.registry, self._parts.record.id
        await self._run.waits.settled()
        if not isinstance(output, ProcessSuccess):
            await self._cancel_children(started, output)
        unheard = await unheard_signals(
            registry, process_id, self._definition, self._context.signals_consumed
        )
        if unheard:
            _logger.warning(
                "process %s ended with signals that it never waited for: %s",
                process_id,
                unheard,
                extra={"process_id": process_id},
            )
        notes: dict[str, JsonValue] = {"unconsumed_signals": unheard} if unheard else {}
        try:
            await registry.append_event(process_id, terminal_event(process_id, output, notes))
        except PluginError as error:
            if error.reason not in _ENDED_BEFORE:
                raise
            return await registry.await_process(process_id)
        return output

    async def _cancel_children(
        self, started: Iterable[ProcessRegistration], output: ProcessAwaitOutput
    ) -> None:
        registry, mine = self._parts.registry, self._parts.record.id
        own = dict.fromkeys(self._context.children)
        earlier = {registration.id: registration for registration in started}
        for child_id in dict.fromkeys([*earlier, *own]):
            if child_id not in own:
                # This run has seen its end, or never came to its start.
                record = await registry.get_process(child_id)
                if record is None:
                    # An earlier run's request may still be on its way.  When it comes, the
                    # child has to be there already, and to be over before it begins.
                    record = await registry.register_process(earlier[child_id])
                if record.is_terminal:
                    continue
            await registry.append_event(child_id, parent_has_ended(child_id, mine, output))

    async def _hurry(self, body: trio.CancelScope) -> None:
        await self._cancel_requested.wait()
        # Effects have ended with typed errors; what awaits something that is no effect
        # would never notice, so after a grace it is cancelled as well.
        await trio.sleep(self._run.cancel_grace_seconds)
        body.cancel("the process did not end within its grace after a cancel request")

    async def _call(self, body: trio.CancelScope) -> ProcessAwaitOutput | Exception:
        try:
            with body:
                self._definition.check_arguments(self._run.args)
                value = await self._definition.function(self._context, **self._run.args)
                if self._cancel_requested.is_set():
                    return cancelled_output(self._cancel_reason, as_json(value))
                return ProcessAwaitOutput.success(copy_json(value))
        except Exception as error:  # noqa: BLE001
            # Whatever an author's function raises is how the process ends.  But what cleaning
            # up raised while it was stopped is not.
            await trio.lowlevel.checkpoint_if_cancelled()
            if breaks_off(error, DurabilityTier.DURABLE):
                return fault_to_repair(error, DurabilityTier.DURABLE) or error
            if self._cancel_requested.is_set():
                return cancelled_output(self._cancel_reason, {"error": error_text(error)})
            return failure_output(self._definition.name, error)
        return cancelled_output(self._cancel_reason)


def _no_lease() -> None:
    """The engine fences its runs itself."""


def _nothing(process_id: str) -> None:
    """The engine knows by itself what there is to run."""
