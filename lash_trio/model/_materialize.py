"""From a payload and a type's semantics to what the event means.  Pure rules."""

from __future__ import annotations

from ._await_output import ProcessAwaitOutput
from ._converter import from_json
from ._errors import PluginError, PluginReason, WireError
from ._event import (
    PLAIN_SEMANTICS,
    ProcessEventSemantics,
    ProcessTerminalSemantics,
    ProcessWake,
)
from ._event_type import (
    ConstantDedupe,
    ConstantSelector,
    EventIdentityDedupe,
    PayloadSelector,
    PointerSelector,
    PresentSelector,
    ProcessEventSemanticsSpec,
    ProcessTerminalSpec,
    ProcessTerminalState,
    ProcessValueSelector,
    ProcessWakeSpec,
    SelectorDedupe,
    TemplateSelector,
)
from ._json import JsonValue, canonical_json, shown


def materialize_semantics(
    process_id: str, sequence: int, payload: JsonValue, spec: ProcessEventSemanticsSpec
) -> ProcessEventSemantics:
    """What an event means.

    Args:
        process_id: whose event.
        sequence: its number.
        payload: its payload.
        spec: the semantics its type declares.

    Raises:
        PluginError: reason ``invalid_selector``, where a pointer finds nothing;
            ``invalid_payload``, where the await output is of another end than the
            one that the type says.
    """
    if spec.terminal is None and spec.wake is None:
        return PLAIN_SEMANTICS
    return ProcessEventSemantics(
        terminal=None if spec.terminal is None else _terminal(payload, spec.terminal),
        wake=None if spec.wake is None else _wake(f"{process_id}:{sequence}", payload, spec.wake),
    )


def select_value(payload: JsonValue, selector: ProcessValueSelector) -> JsonValue:
    """What a selector takes out of a payload.

    Raises:
        PluginError: reason ``invalid_selector``, where a pointer finds nothing.
    """
    match selector:
        case PayloadSelector():
            return payload
        case PointerSelector(at=pointer):
            found = _find(payload, pointer)
            if found is None:
                raise PluginError(
                    PluginReason.INVALID_SELECTOR,
                    f"expected the payload to have something at {pointer!r}, "
                    f"got {canonical_json(payload)[:200]}",
                )
            return found[0]
        case ConstantSelector(value=value):
            return value
        case TemplateSelector(text=template, fields=fields):
            return _render(
                template, {n: as_text(select_value(payload, f)) for n, f in fields.items()}
            )
        case PresentSelector(at=pointer):
            return _find(payload, pointer) is not None
        case _:
            raise TypeError(f"unknown selector {selector!r}")


def _render(template: str, values: dict[str, str]) -> str:
    """Fill every ``{name}`` once, so that no value is taken for a template."""
    rendered: list[str] = []
    rest = template
    while rest:
        before, brace, after = rest.partition("{")
        rendered.append(before)
        name, closing, tail = after.partition("}")
        if brace and closing and name in values:
            rendered.append(values[name])
            rest = tail
        else:
            rendered.append(brace)
            rest = after
    return "".join(rendered)


def as_text(value: JsonValue) -> str:
    """Text as it is, any other value as canonical JSON."""
    return value if isinstance(value, str) else canonical_json(value)


def _find(payload: JsonValue, pointer: str) -> tuple[JsonValue] | None:
    """Follow a JSON pointer (RFC 6901); None where it leads nowhere."""
    here = payload
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and key in here:
            here = here[key]
        elif isinstance(here, list) and _is_index(key) and int(key) < len(here):
            here = here[int(key)]
        else:
            return None
    return (here,)


def _is_index(token: str) -> bool:
    """Digits without a leading zero, and few enough to be an index at all."""
    if not (token.isascii() and token.isdigit()) or len(token) > 18:
        return False
    return token == "0" or token[0] != "0"


def _terminal(payload: JsonValue, spec: ProcessTerminalSpec) -> ProcessTerminalSemantics:
    if spec.await_output is None:
        # Registration lets only a completed state leave the selector out.
        return ProcessTerminalSemantics(
            state=spec.state, await_output=ProcessAwaitOutput.success(payload)
        )
    selected = select_value(payload, spec.await_output)
    try:
        output = from_json(ProcessAwaitOutput, selected)
    except WireError:
        output = _output_of_value(spec.state, selected)
    if output.terminal_state is not spec.state:
        # The status and what the awaiting get would contradict each other for ever.
        raise PluginError(
            PluginReason.INVALID_PAYLOAD,
            f"expected the await output of a process that ends as {spec.state}, "
            f"got that of one that ends as {output.terminal_state}: {shown(selected, 200)}",
        )
    return ProcessTerminalSemantics(state=spec.state, await_output=output)


def _output_of_value(state: ProcessTerminalState, value: JsonValue) -> ProcessAwaitOutput:
    if state is ProcessTerminalState.COMPLETED:
        return ProcessAwaitOutput.success(value)
    if state is ProcessTerminalState.FAILED:
        return ProcessAwaitOutput.failure("process_failed", as_text(value), raw=value)
    return ProcessAwaitOutput.cancelled(as_text(value), raw=value)


def _wake(identity: str, payload: JsonValue, spec: ProcessWakeSpec) -> ProcessWake | None:
    if spec.when is not None and not _is_true(select_value(payload, spec.when)):
        return None
    match spec.dedupe_key:
        case EventIdentityDedupe():
            key = identity
        case SelectorDedupe(selector=selector):
            key = as_text(select_value(payload, selector))
        case ConstantDedupe(key=constant):
            key = constant
        case other:
            raise TypeError(f"unknown dedupe key {other!r}")
    return ProcessWake(input=as_text(select_value(payload, spec.input)), dedupe_key=key)


def _is_true(value: JsonValue) -> bool:
    """The seed's truth: numbers are true, even zero; empty text and containers are not."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return True
    return bool(value)
