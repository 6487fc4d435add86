"""Process functions for engines that keep processes themselves.

An engine such as Restate has its own way to know which processes there are, who runs
them and when; of a worker it needs only what calls a process's function and says how it
ended.
"""

from __future__ import annotations

import trio

from ..abc import Clock, ProcessRegistry
from ..kernel import ScopedEffectController, SystemClock
from ..model import (
    DurabilityTier,
    JsonObject,
    PreparedRegistration,
    ProcessAwaitOutput,
    ProcessLease,
    ProcessProvenance,
    copy_json,
    prepare_registration,
)
from ._context import ContextParts, ProcessContext
from ._definitions import ProcessDefinition, ProcessDefinitions, StartRequest
from ._faults import breaks_off, fault_to_repair
from ._output import as_json, cancelled_output, error_text, failure_output
from ._parking import Waits
from ._slots import Activity, RunningSlots

_NO_LIMIT = 2**63


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

    def event_types(self, process_id: str, definition: str, args: JsonObject) -> frozenset[str]:
        """The types of events that a process may have.

        Args:
            process_id: not blank.
            definition: the name of a definition.
            args: the JSON arguments, by name.

        Raises:
            PluginError: ``unknown_definition``, ``invalid_arguments``,
                ``invalid_registration``.
        """
        registration = self._prepared(process_id, definition, args).registration
        return frozenset(event_type.name for event_type in registration.event_types)

    def open(
        self,
        process_id: str,
        definition: str,
        args: JsonObject,
        scope: ScopedEffectController,
        registry: ProcessRegistry,
    ) -> HostedProcess:
        """One run of a process, in an opened effect scope.

        Args:
            process_id: not blank.
            definition: the name of a definition.
            args: the JSON arguments, by name.
            scope: the process's.
            registry: for what the context asks of other processes.

        Raises:
            PluginError: as :meth:`event_types`.
        """
        record = self._prepared(process_id, definition, args).record(self._clock.now_ms())
        activity = Activity(RunningSlots(_NO_LIMIT))
        lease = _no_lease(process_id)
        parts = ContextParts(
            scope=scope,
            registry=registry,
            record=record,
            lease=lambda: lease,
            definitions=self._definitions,
            waits=Waits(registry, record.id, lambda: lease, activity, self._clock),
            activity=activity,
            clock=self._clock,
            poke=_nothing,
        )
        known = self._definitions.get(definition)
        return HostedProcess(known, args, parts, self._cancel_grace_seconds)

    def _prepared(self, process_id: str, definition: str, args: JsonObject) -> PreparedRegistration:
        provenance = ProcessProvenance.host(self._host_profile_id)
        start = StartRequest(id=process_id, provenance=provenance)
        return prepare_registration(self._definitions.registration(definition, args, start))


class HostedProcess:
    """One run of a process's function.

    Made by :meth:`HostedProcesses.open`.
    """

    def __init__(
        self,
        definition: ProcessDefinition,
        args: JsonObject,
        parts: ContextParts,
        cancel_grace_seconds: float,
    ) -> None:
        self._definition = definition
        self._args = args
        self._parts = parts
        self._cancel_grace_seconds = cancel_grace_seconds
        self._cancel_requested = trio.Event()
        self._cancel_reason: str | None = None

    def cancel(self, reason: str | None = None) -> None:
        """Ask it to end as cancelled; the first reason stays.  Not a checkpoint."""
        if not self._cancel_requested.is_set():
            self._cancel_reason = reason
            self._cancel_requested.set()
            self._parts.scope.cancel(reason)

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
            body = trio.CancelScope()
            nursery.start_soon(self._hurry, body)
            result = await self._call(body)
            nursery.cancel_scope.cancel("the function has ended")
        if isinstance(result, ProcessAwaitOutput):
            return result
        raise result

    async def _hurry(self, body: trio.CancelScope) -> None:
        await self._cancel_requested.wait()
        # Effects have ended with typed errors; what awaits something that is no effect
        # would never notice, so after a grace it is cancelled as well.
        await trio.sleep(self._cancel_grace_seconds)
        body.cancel("the process did not end within its grace after a cancel request")

    async def _call(self, body: trio.CancelScope) -> ProcessAwaitOutput | Exception:
        try:
            with body:
                self._definition.check_arguments(self._args)
                value = await self._definition.function(ProcessContext(self._parts), **self._args)
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


def _no_lease(process_id: str) -> ProcessLease:
    """What stands for a lease where the engine fences its runs itself."""
    return ProcessLease(
        process_id=process_id,
        owner_id="engine",
        lease_token="engine",
        fencing_token=1,
        claimed_at_epoch_ms=0,
        expires_at_epoch_ms=0,
    )


def _nothing(process_id: str) -> None:
    """The engine knows by itself what there is to run."""
