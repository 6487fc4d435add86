"""Event types that a process declares, and what their events mean.

Source: ``ProcessEventType`` and the semantics specs around the seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

import attrs

from ._checks import instance_of, is_object, optional
from ._errors import InvalidValueError, PluginError, PluginReason
from ._json import JsonObject, JsonValue, empty_object, shown

CANCEL_REQUESTED = "process.cancel_requested"
WAITING = "process.waiting"
RESUMED = "process.resumed"
COMPLETED = "process.completed"
FAILED = "process.failed"
CANCELLED = "process.cancelled"

SIGNAL_PREFIX = "signal."
_SIGNAL_NAME = re.compile(r"[A-Za-z0-9_-]+")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")


class ProcessTerminalState(StrEnum):
    """How a process can end."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ProcessValueSelector:
    """Takes a value out of an event's payload."""

    __slots__ = ()
    tag: ClassVar[str]
    wire_body: ClassVar[str | None]
    """Which field stands for the whole on the wire; ``*`` for all, None for none."""

    @staticmethod
    def payload() -> ProcessValueSelector:
        """The payload itself."""
        return PayloadSelector()

    @staticmethod
    def pointer(pointer: str) -> ProcessValueSelector:
        """What a JSON pointer (RFC 6901) finds in the payload."""
        return PointerSelector(at=pointer)

    @staticmethod
    def constant(value: JsonValue) -> ProcessValueSelector:
        """A value of one's own."""
        return ConstantSelector(value=value)

    @staticmethod
    def template(template: str, fields: Mapping[str, ProcessValueSelector]) -> ProcessValueSelector:
        """Text in which each ``{name}`` stands for what the field of that name selects."""
        return TemplateSelector(text=template, fields=dict(fields))

    @staticmethod
    def present(pointer: str) -> ProcessValueSelector:
        """True where a JSON pointer finds something, else false."""
        return PresentSelector(at=pointer)


def _check_pointer(_: object, __: object, pointer: Any) -> None:
    if not isinstance(pointer, str) or not _POINTER.fullmatch(pointer):
        raise InvalidValueError(
            "expected a JSON pointer, empty or starting with '/', with '~' written as '~0' "
            f"and '/' in a key as '~1', got {shown(pointer)}"
        )


def _no_fields() -> Mapping[str, ProcessValueSelector]:
    return {}


def _check_fields(_: object, __: object, fields: Mapping[Any, Any]) -> None:
    for name, selector in fields.items():
        if not isinstance(name, str) or not isinstance(selector, ProcessValueSelector):
            raise InvalidValueError(
                "expected the fields of a template to be selectors by name, "
                f"got {shown(selector)} for {shown(name)}"
            )


@attrs.frozen(kw_only=True)
class PayloadSelector(ProcessValueSelector):
    """The payload itself."""

    tag: ClassVar[str] = "payload"
    wire_body: ClassVar[str | None] = None


@attrs.frozen(kw_only=True)
class PointerSelector(ProcessValueSelector):
    """What a JSON pointer finds in the payload."""

    tag: ClassVar[str] = "pointer"
    wire_body: ClassVar[str | None] = "at"
    at: str = attrs.field(validator=_check_pointer)


@attrs.frozen(kw_only=True)
class ConstantSelector(ProcessValueSelector):
    """A constant."""

    tag: ClassVar[str] = "const"
    wire_body: ClassVar[str | None] = "value"
    value: JsonValue


@attrs.frozen(kw_only=True)
class TemplateSelector(ProcessValueSelector):
    """Text with selected values in it."""

    tag: ClassVar[str] = "template"
    wire_body: ClassVar[str | None] = "*"
    text: str = attrs.field(metadata={"wire": "template"})
    fields: Mapping[str, ProcessValueSelector] = attrs.field(
        factory=_no_fields, validator=_check_fields
    )


@attrs.frozen(kw_only=True)
class PresentSelector(ProcessValueSelector):
    """Whether a JSON pointer finds something."""

    tag: ClassVar[str] = "present"
    wire_body: ClassVar[str | None] = "at"
    at: str = attrs.field(validator=_check_pointer)


class ProcessWakeDedupeKey:
    """What makes two wakes the same wake."""

    __slots__ = ()
    tag: ClassVar[str]
    wire_body: ClassVar[str | None]


@attrs.frozen(kw_only=True)
class EventIdentityDedupe(ProcessWakeDedupeKey):
    """Every event is a wake of its own."""

    tag: ClassVar[str] = "event_identity"
    wire_body: ClassVar[str | None] = None


@attrs.frozen(kw_only=True)
class SelectorDedupe(ProcessWakeDedupeKey):
    """Events with the same selected value are one wake."""

    tag: ClassVar[str] = "selector"
    wire_body: ClassVar[str | None] = "selector"
    selector: ProcessValueSelector = attrs.field(validator=instance_of(ProcessValueSelector))


@attrs.frozen(kw_only=True)
class ConstantDedupe(ProcessWakeDedupeKey):
    """All events under one key are one wake."""

    tag: ClassVar[str] = "const"
    wire_body: ClassVar[str | None] = "key"
    key: str


@attrs.frozen(kw_only=True)
class ProcessTerminalSpec:
    """An event of this type ends the process.

    Args:
        state: how.
        await_output: where in the payload the await output is; only a completed
            state may leave it out, the payload is then the value.
    """

    state: ProcessTerminalState = attrs.field(validator=instance_of(ProcessTerminalState))
    await_output: ProcessValueSelector | None = attrs.field(
        default=None, validator=optional(instance_of(ProcessValueSelector))
    )


@attrs.frozen(kw_only=True)
class ProcessWakeSpec:
    """An event of this type wakes the process's wake target.

    Args:
        input: what the target is told.
        when: wake only if this selects something true; always where None.
        dedupe_key: what makes two wakes the same.
    """

    input: ProcessValueSelector = attrs.field(validator=instance_of(ProcessValueSelector))
    when: ProcessValueSelector | None = attrs.field(
        default=None, validator=optional(instance_of(ProcessValueSelector))
    )
    dedupe_key: ProcessWakeDedupeKey = attrs.field(
        factory=EventIdentityDedupe, validator=instance_of(ProcessWakeDedupeKey)
    )


@attrs.frozen(kw_only=True)
class ProcessEventSemanticsSpec:
    """What an event of a type means beyond being in the log."""

    terminal: ProcessTerminalSpec | None = None
    wake: ProcessWakeSpec | None = None


@attrs.frozen(kw_only=True)
class ProcessEventType:
    """A type of event that a process may have in its log.

    Args:
        name: for example ``signal.approved``.
        payload_schema: JSON Schema (draft 2020-12) of the payload; ``{}`` admits all.
        semantics: what its events mean.
    """

    name: str = attrs.field(validator=instance_of(str))
    payload_schema: JsonObject = attrs.field(factory=empty_object, validator=is_object)
    semantics: ProcessEventSemanticsSpec = attrs.field(
        factory=ProcessEventSemanticsSpec, validator=instance_of(ProcessEventSemanticsSpec)
    )


def signal_event_type(signal_name: str) -> str:
    """The event type of a signal.

    Args:
        signal_name: ASCII letters, digits, ``_`` and ``-``; at least one.

    Raises:
        PluginError: reason ``invalid_signal_name``.
    """
    if _SIGNAL_NAME.fullmatch(signal_name):
        return SIGNAL_PREFIX + signal_name
    raise PluginError(
        PluginReason.INVALID_SIGNAL_NAME,
        f"expected a signal name of ASCII letters, digits, '_' or '-', got {signal_name!r}",
    )


def signal_name_of(event_type: str) -> str | None:
    """The signal of an event type, or None where it is no signal's."""
    return event_type[len(SIGNAL_PREFIX) :] if event_type.startswith(SIGNAL_PREFIX) else None


def _terminal(name: str, state: ProcessTerminalState) -> ProcessEventType:
    await_output = ProcessValueSelector.pointer("/await_output")
    return ProcessEventType(
        name=name,
        semantics=ProcessEventSemanticsSpec(
            terminal=ProcessTerminalSpec(state=state, await_output=await_output)
        ),
    )


CORE_EVENT_TYPES = (
    ProcessEventType(name=CANCEL_REQUESTED),
    ProcessEventType(name=WAITING),
    ProcessEventType(name=RESUMED),
    _terminal(COMPLETED, ProcessTerminalState.COMPLETED),
    _terminal(FAILED, ProcessTerminalState.FAILED),
    _terminal(CANCELLED, ProcessTerminalState.CANCELLED),
)
"""Event types that every process has without declaring them."""
