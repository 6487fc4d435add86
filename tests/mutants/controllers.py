"""Effect controllers with one bug each."""

import attrs
import trio

from lash_trio import (
    AwaitEventCommand,
    AwaitEventOutcome,
    AwaitProcess,
    CancelProcess,
    DeleteSession,
    DurabilityTier,
    DurableStepOutcome,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    InlineEffectController,
    ListProcesses,
    LocalExecutor,
    ProcessAwaited,
    ProcessAwaitOutput,
    ProcessCommand,
    ProcessEffectCommand,
    ProcessEffectOutcome,
    ProcessesTransferred,
    ProcessListMode,
    ProcessOutcome,
    ProcessSessionDeleteReport,
    SessionDeleted,
    SignalProcess,
    SleepCommand,
    StartProcess,
    TransferProcesses,
)
from lash_trio.abc import EffectController, LocalExecution, ProcessRegistry
from lash_trio.kernel import run_process_command

NOTHING = DurableStepOutcome(value=None)


class _Fails(InlineEffectController):
    """Changes the errors of effects, by `changed`."""

    def changed(self, error: EffectError) -> Exception | None:
        raise NotImplementedError

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        try:
            return await super().execute_effect(envelope, local_executor)
        except EffectError as error:
            changed = self.changed(error)
            if changed is None:
                return NOTHING
            raise changed from error.__cause__


class HasNoTier(InlineEffectController):
    """Tells a durability that nobody knows."""

    @property
    def durability_tier(self) -> DurabilityTier:
        return "forever"  # type: ignore[return-value]


class RewritesEnvelopes(InlineEffectController):
    """Hands the executor another envelope."""

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        invocation = envelope.invocation.child_effect("other", envelope.command.kind, "other")
        other = attrs.evolve(envelope, invocation=invocation)
        return await super().execute_effect(other, local_executor)


class SleepsToNoOutcome(InlineEffectController):
    """Ends a sleep with the outcome of a step."""

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        outcome = await super().execute_effect(envelope, local_executor)
        return NOTHING if isinstance(envelope.command, SleepCommand) else outcome


class DropsPayloads(InlineEffectController):
    """Ends a wait for an event without its payload."""

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        outcome = await super().execute_effect(envelope, local_executor)
        if isinstance(envelope.command, AwaitEventCommand):
            return AwaitEventOutcome(payload=None)
        return outcome


class RemakesExecutors(InlineEffectController):
    """Makes a used executor new."""

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        assert isinstance(local_executor, LocalExecutor)
        return await super().execute_effect(envelope, LocalExecutor(local_executor._way))


class InventsWhatIsUnavailable(_Fails):
    """Returns nothing where no executor can do the effect."""

    def changed(self, error: EffectError) -> Exception | None:
        return None if error.code == EffectErrorCode.EXECUTOR_UNAVAILABLE else error


class SkipsMismatches(_Fails):
    """Returns nothing where the executor is for another kind."""

    def changed(self, error: EffectError) -> Exception | None:
        return None if error.code == EffectErrorCode.EXECUTOR_MISMATCH else error


class RunsCommandsAnywhere(InlineEffectController):
    """Runs process commands in whatever executor comes."""

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        try:
            return await super().execute_effect(envelope, local_executor)
        except EffectError as error:
            if error.code != EffectErrorCode.EXECUTOR_UNAVAILABLE:
                raise
            assert isinstance(local_executor, LocalExecutor)
            return await local_executor._way.execute(envelope)


class LooksAtOrdinalsFirst(_Fails):
    """Tells a wrong ordinal before another key."""

    def changed(self, error: EffectError) -> Exception | None:
        if error.code == EffectErrorCode.AWAIT_EVENT_KEY_MISMATCH:
            return EffectError(EffectErrorCode.AWAIT_EVENT_INVALID_ORDINAL, error.message)
        return error


class WrapsErrors(_Fails):
    """Raises errors in a group."""

    def changed(self, error: EffectError) -> Exception | None:
        return ExceptionGroup("an effect failed", [error])


class TurnsCancellationIntoErrors(InlineEffectController):
    """Raises an error where it is cancelled from outside."""

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        try:
            return await super().execute_effect(envelope, local_executor)
        except trio.Cancelled:
            raise EffectError(EffectErrorCode.CANCELLED, "cancelled") from None


class RunsWhenCancelled(InlineEffectController):
    """Runs an effect before it looks whether it is cancelled."""

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        function = getattr(getattr(local_executor, "_way", None), "function", None)
        if function is None:
            return await super().execute_effect(envelope, local_executor)
        with trio.CancelScope(shield=not trio.current_effective_deadline() > 0):
            outcome: EffectOutcome = await function(envelope)
        await trio.lowlevel.checkpoint()
        return outcome


class NeverCheckpoints(InlineEffectController):
    """Runs an effect that does not wait without a checkpoint."""

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        function = getattr(getattr(local_executor, "_way", None), "function", None)
        if function is None:
            return await super().execute_effect(envelope, local_executor)
        outcome: EffectOutcome = await function(envelope)
        return outcome


class _FaultyCommands(EffectController):
    """Runs process commands its own way."""

    async def run(self, registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
        return await run_process_command(registry, command)

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        command = envelope.command
        if not isinstance(command, ProcessEffectCommand):
            return await local_executor.execute(envelope)
        registry = local_executor.into_process().registry
        return ProcessOutcome(result=await self.run(registry, command.command))


class RunsWhatItStarts(_FaultyCommands):
    """Takes the lease of a process that it starts."""

    async def run(self, registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
        outcome = await super().run(registry, command)
        if isinstance(command, StartProcess):
            await registry.claim_process_lease(command.registration.id, "controller", 60_000)
        return outcome


class ListsTheEnded(_FaultyCommands):
    """Lists ended processes as live."""

    async def run(self, registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
        if isinstance(command, ListProcesses):
            command = attrs.evolve(command, mode=ProcessListMode.ALL)
        return await super().run(registry, command)


class TransfersNothing(_FaultyCommands):
    """Says that grants have moved that have not."""

    async def run(self, registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
        if isinstance(command, TransferProcesses):
            await trio.lowlevel.checkpoint()
            return ProcessesTransferred()
        return await super().run(registry, command)


class ReportsNothing(_FaultyCommands):
    """Returns an empty report of a deletion."""

    async def run(self, registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
        outcome = await super().run(registry, command)
        if isinstance(command, DeleteSession):
            return SessionDeleted(report=ProcessSessionDeleteReport(session_id=command.session_id))
        return outcome


class AwaitsNothing(_FaultyCommands):
    """Returns before a process has ended."""

    async def run(self, registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
        if isinstance(command, AwaitProcess):
            await trio.lowlevel.checkpoint()
            return ProcessAwaited(output=ProcessAwaitOutput.success(None))
        return await super().run(registry, command)


class EndsWhatItCancels(_FaultyCommands):
    """Ends a process that is asked to end."""

    async def run(self, registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
        outcome = await super().run(registry, command)
        if isinstance(command, CancelProcess):
            await registry.complete_process(command.process_id, ProcessAwaitOutput.cancelled("now"))
        return outcome


class SignalsTwice(_FaultyCommands):
    """Appends a signal twice."""

    async def run(self, registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
        if isinstance(command, SignalProcess):
            again = command.request.with_replay_key("again")
            await super().run(registry, attrs.evolve(command, request=again))
        return await super().run(registry, command)


class RenamesRefusals(_Fails):
    """Takes a refusal for a failure."""

    def changed(self, error: EffectError) -> Exception | None:
        if error.code == EffectErrorCode.PLUGIN:
            return EffectError(EffectErrorCode.PROCESS_TASK_JOIN, error.message)
        return error


class DropsCauses(_Fails):
    """Drops the cause of what a broken registry raised."""

    def changed(self, error: EffectError) -> Exception | None:
        if error.code == EffectErrorCode.PROCESS_TASK_JOIN:
            error.__cause__ = None
        return error


class LeavesCommandsUnshielded(_FaultyCommands):
    """Can be cancelled in the middle of a command."""

    async def run(self, registry: ProcessRegistry, command: ProcessCommand) -> ProcessEffectOutcome:
        if isinstance(command, TransferProcesses):
            await registry.transfer_handle_grants(
                command.from_scope, command.to_scope, command.process_ids
            )
            return ProcessesTransferred()
        return await super().run(registry, command)
