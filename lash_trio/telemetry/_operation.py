"""One traced operation: a span that is current while a block runs, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from types import TracebackType
from typing import TypeAlias, cast

import attrs
import trio
from opentelemetry import context as contexts, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, UpDownCounter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from ..model import EffectError, PluginError
from ._names import ERROR_TYPE, OUTCOME
from ._telemetry import Telemetry

Attributes: TypeAlias = Mapping[str, AttributeValue]


class Outcome(StrEnum):
    """How an operation ended."""

    OK = "ok"
    ERROR = "error"
    """It raised, or what it returned says that it failed."""
    CANCEL_REQUESTED = "cancel_requested"
    """Somebody asked the effect, or its scope, to end; it did, with a typed error."""
    CANCELLED = "cancelled"
    """``trio.Cancelled``, or the end of the program, went through it."""


@attrs.frozen(kw_only=True)
class Ending:
    """How an operation ended, and when.

    Args:
        outcome: in one word.
        error_type: which error, if it is one: a stable identifier.
        error: what the error says, or the error itself: it is asked for its text only
            where that is recorded.
        seconds: how long the operation took.
    """

    outcome: Outcome
    error_type: str | None = None
    error: str | BaseException | None = None
    seconds: float = 0.0

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """What spans and metrics say of it."""
        attributes: dict[str, AttributeValue] = {OUTCOME: self.outcome.value}
        if self.error_type is not None:
            attributes[ERROR_TYPE] = self.error_type
        return attributes

    @staticmethod
    def by(error: BaseException | None) -> Ending:
        """The ending of a block that was left by an exception, or by none."""
        if error is None:
            return Ending(outcome=Outcome.OK)
        failure = _failure_in(error)
        if failure is None:
            return Ending(outcome=Outcome.CANCELLED)
        return Ending(outcome=Outcome.ERROR, error_type=error_type(failure), error=failure)


@attrs.frozen(kw_only=True)
class Measures:
    """The metrics of a kind of operation.

    Args:
        duration: how long it took, by labels and by how it ended.
        active: how many there are now, by labels.
        labels: what tells one operation from others of the kind, in few values.
    """

    duration: Histogram
    active: UpDownCounter | None = None
    labels: Attributes


class Operation(AbstractContextManager["Operation"]):
    """A span that is the current one while a block runs.

    Args:
        telemetry: where it goes.
        name: of the span.
        attributes: of the span, as far as they are known, beside the labels.
        kind: of the span.
        parent: the context that the span begins in; the current one where None.
        measures: its metrics, if it has any.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Context | None = None,
        measures: Measures | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._name = name
        self._attributes = attributes
        self._kind = kind
        self._parent = parent
        self._measures = measures
        self._late_labels: dict[str, AttributeValue] = {}
        self._concluded: Ending | None = None

    def __enter__(self) -> Operation:
        parent = contexts.get_current() if self._parent is None else self._parent
        self.span: Span = self._telemetry.tracer.start_span(
            self._name, parent, self._kind, self._attributes
        )
        self._token = contexts.attach(trace.set_span_in_context(self.span, parent))
        self._began = trio.current_time()
        if self._measures is not None:
            self.span.set_attributes(self._measures.labels)
            if self._measures.active is not None:
                self._measures.active.add(1, self._measures.labels)
        return self

    def label(self, key: str, value: AttributeValue) -> None:
        """Add what is known only now to the span, and to the metric of the duration."""
        self.span.set_attribute(key, value)
        self._late_labels[key] = value

    def conclude(self, ending: Ending) -> None:
        """Say how it ended, for an operation that knows better than its exception does."""
        self._concluded = ending

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ending = self._concluded or Ending.by(exc)
        ending = attrs.evolve(ending, seconds=trio.current_time() - self._began)
        self.span.set_attributes(ending.attributes)
        if ending.outcome is Outcome.ERROR:
            text = str(ending.error) if self._telemetry.record_content else None
            self.span.set_status(Status(StatusCode.ERROR, text))
        if self._measures is not None:
            self._measure(self._measures, ending)
        contexts.detach(self._token)
        self.span.end()

    def _measure(self, measures: Measures, ending: Ending) -> None:
        labels = {**measures.labels, **self._late_labels, **ending.attributes}
        # While the span is current: a histogram may keep it as an exemplar.
        measures.duration.record(ending.seconds, labels)
        if measures.active is not None:
            measures.active.add(-1, measures.labels)


def error_type(error: BaseException) -> str:
    """A stable identifier of an error: its code or reason, else the name of its class."""
    if isinstance(error, PluginError):
        return error.reason
    if isinstance(error, EffectError):
        return error.code
    module = type(error).__module__
    name = type(error).__qualname__
    return name if module == "builtins" else f"{module}.{name}"


def _failure_in(error: BaseException) -> Exception | BaseExceptionGroup[Exception] | None:
    """What went wrong, where that is more than a cancellation or the end of the program."""
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, Exception) else None
    group = cast("BaseExceptionGroup[BaseException]", error)
    failures: BaseExceptionGroup[Exception] | None = group.subgroup(Exception)
    while failures is not None and len(failures.exceptions) == 1:
        only: Exception | BaseExceptionGroup[Exception] = failures.exceptions[0]
        if not isinstance(only, BaseExceptionGroup):
            return only
        failures = only
    return failures
