"""How a process ended, from what its function did."""

from __future__ import annotations

import traceback

from ..model import (
    EffectError,
    JsonValue,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    RerunDisposition,
    WireError,
    copy_json,
)


def failure_output(definition_name: str, error: Exception) -> ProcessAwaitOutput:
    """The end of a process whose function raised.

    Returns:
        A failure with the code of an :class:`~lash_trio.EffectError`, else
        ``process_failed``; its ``raw`` has the class of the exception and the
        traceback.
    """
    code = "process_failed"
    message = _text_of(error)
    if isinstance(error, EffectError):
        code, message = error.code, error.message
    if isinstance(error, WireError):
        message = f"process {definition_name!r}: {message}"
    return ProcessAwaitOutput.failure(
        code,
        _printable(message) or type(error).__name__,
        raw={
            "exception": type(error).__name__,
            "traceback": _printable("".join(traceback.format_exception(error))),
        },
    )


def cancelled_output(reason: str | None, raw: JsonValue = None) -> ProcessAwaitOutput:
    """The end of a process that was cancelled by request, for a reason if there was one.

    Args:
        reason: from the request.
        raw: what the function made of it.
    """
    return ProcessAwaitOutput.cancelled(reason or "cancelled; no reason was given", raw)


def abandoned_output(definition_name: str) -> ProcessAwaitOutput:
    """The end of an ``owner_bound`` process whose owner is gone: code ``process_abandoned``."""
    return ProcessAwaitOutput.failure(
        "process_abandoned",
        f"its owner is gone, and {definition_name!r} is {RerunDisposition.OWNER_BOUND}: "
        "no other owner may run it again",
    )


def parent_has_ended(
    child_id: str, parent_id: str, output: ProcessAwaitOutput
) -> ProcessEventAppendRequest:
    """What asks a child to end whose parent did not succeed; asked twice, it is one request."""
    return ProcessEventAppendRequest.cancel_requested(
        child_id, f"its parent {parent_id!r} ended as {output.terminal_state}"
    )


def as_json(value: object) -> JsonValue:
    """What a cancelled function returned, as far as it is JSON."""
    try:
        return copy_json(value)
    except WireError:
        return f"a {type(value).__name__} that is no JSON"


def error_text(error: Exception) -> str:
    """An exception in one line."""
    return _printable(f"{type(error).__name__}: {_text_of(error)}")


def _text_of(error: Exception) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001
        # An author's class may fail at this; the process must end all the same.
        return "an exception that has no text"


def _printable(text: str) -> str:
    """Text that is valid Unicode, as JSON must be; file names need not be."""
    return text.encode(errors="backslashreplace").decode()
