"""What the effects of one opened scope have in common: where their spans belong."""

from __future__ import annotations

from opentelemetry import context as contexts, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from ..model import EffectScope, ProcessScope
from ._names import PROCESS_ID, SCOPE_ID, SCOPE_TYPE, SESSION_ID, TURN_ID
from ._telemetry import Telemetry


class ScopeTrace:
    """The trace of one opened scope.

    Args:
        telemetry: where it goes.
        scope: the identity of the scope.
    """

    def __init__(self, telemetry: Telemetry, scope: EffectScope) -> None:
        self.telemetry = telemetry
        self.identity: dict[str, AttributeValue] = {SCOPE_TYPE: scope.tag, SCOPE_ID: scope.id}
        self._scope = scope
        # In the context of everything that the scope's block does and starts.
        self._mark = contexts.create_key("lash_trio.scope")
        self._span: Span = trace.INVALID_SPAN

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """What the span of the scope says of it."""
        attributes = dict(self.identity)
        if self._scope.session_id is not None:
            attributes[SESSION_ID] = self._scope.session_id
        if self._scope.turn_id is not None:
            attributes[TURN_ID] = self._scope.turn_id
        if isinstance(self._scope, ProcessScope):
            attributes[PROCESS_ID] = self._scope.id
        return attributes

    def began(self, span: Span) -> None:
        """The span of the scope has begun."""
        self._span = span

    def marked_context(self) -> Context:
        """The current context, with a mark that what it is handed on to is of this scope."""
        return contexts.set_value(self._mark, True)

    def context(self) -> Context:
        """The context that an effect begins in, which the current task asks for.

        That is the task's own, where the task belongs to the scope's block.  A task from
        elsewhere, such as the owner of a scope of ``scoped_in``, knows nothing of the
        scope's span; its effects belong below that all the same.
        """
        current = contexts.get_current()
        if contexts.get_value(self._mark, current):
            return current
        return trace.set_span_in_context(self._span, self.marked_context())
