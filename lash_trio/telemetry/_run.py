"""Effects with a span each."""

from __future__ import annotations

from ..abc import EffectController, LocalExecution, ProcessLocalExecution
from ..kernel import EffectRun
from ..model import (
    EffectEnvelope,
    EffectError,
    EffectOutcome,
    EffectState,
    StepError,
    ToolCallCommand,
    is_outcome,
)
from ._effects import effect_attributes, effect_span_name
from ._names import EFFECT_KIND, REPLAYED, STEP_ERROR_CLASS
from ._operation import Ending, Measures, Operation, Outcome
from ._scope import ScopeTrace
from ._telemetry import Telemetry
from ._tools import traced_tool_call

_WITHOUT_ERROR = {
    EffectState.CANCELLED: Outcome.CANCEL_REQUESTED,
    EffectState.ABANDONED: Outcome.CANCELLED,
}


class TracedRun(EffectRun):
    """One effect while it runs, with a span.

    Args:
        envelope: what was asked for.
        scope_id: whose effect.
        trace: of the scope.
    """

    __slots__ = ("_trace",)

    def __init__(self, envelope: EffectEnvelope, scope_id: str, trace: ScopeTrace) -> None:
        super().__init__(envelope, scope_id)
        self._trace = trace

    async def execute(
        self, controller: EffectController, local_executor: LocalExecution
    ) -> EffectOutcome:
        """Run it in this task, below the scope's span."""
        watched = WatchedExecution(local_executor, self._trace.telemetry)
        with self._operation() as operation:
            try:
                outcome = await super().execute(controller, watched)
            except BaseException as error:
                operation.label(REPLAYED, not watched.was_used and self._is_recorded(error))
                if isinstance(error, StepError):
                    operation.span.set_attribute(STEP_ERROR_CLASS, error.error_class)
                if self.state in _WITHOUT_ERROR:
                    operation.conclude(Ending(outcome=_WITHOUT_ERROR[self.state]))
                raise
            operation.label(REPLAYED, not watched.was_used)
            return outcome

    def _operation(self) -> Operation:
        telemetry = self._trace.telemetry
        command = self.envelope.command
        measures = Measures(
            duration=telemetry.instruments.effect_duration,
            active=telemetry.instruments.active_effects,
            labels={EFFECT_KIND: command.kind.value},
        )
        return Operation(
            telemetry,
            effect_span_name(command),
            {**self._trace.identity, **effect_attributes(self.envelope)},
            parent=self._trace.context(),
            measures=measures,
        )

    def _is_recorded(self, error: BaseException) -> bool:
        """Whether an error can be one that came out of a journal."""
        return (
            self.state is EffectState.FAILED
            and isinstance(error, EffectError)
            and is_outcome(error)
        )


class WatchedExecution:
    """How to do an effect here, and whether it was done here.

    A controller that has the outcome already leaves its local executor alone: that is
    how a replayed effect is told from one that ran.
    """

    __slots__ = ("_inner", "_telemetry", "was_used")

    def __init__(self, inner: LocalExecution, telemetry: Telemetry) -> None:
        self._inner = inner
        self._telemetry = telemetry
        self.was_used = False

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Do it."""
        self.was_used = True
        if isinstance(envelope.command, ToolCallCommand):
            return await traced_tool_call(
                self._telemetry, envelope.command.call, self._inner.execute(envelope)
            )
        return await self._inner.execute(envelope)

    def into_process(self) -> ProcessLocalExecution:
        """What it takes to run a process command."""
        self.was_used = True
        return self._inner.into_process()
