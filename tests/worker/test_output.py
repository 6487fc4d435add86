"""How a process ended: every exception becomes an end that can be written."""

from __future__ import annotations

import pytest

from lash_trio import (
    EffectError,
    EffectErrorCode,
    ProcessAwaitOutput,
    ProcessCancellation,
    ProcessFailure,
    WireError,
    to_json,
)
from lash_trio.model import canonical_json
from lash_trio.worker._output import as_json, cancelled_output, error_text, failure_output


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def failure(error: Exception) -> ProcessFailure:
    try:
        raise error
    except Exception as raised:  # noqa: BLE001
        output = failure_output("order", raised)
    assert isinstance(output, ProcessFailure)
    # It can be written.
    assert canonical_json(to_json(output))
    return output


def traceback_of(output: ProcessFailure) -> str:
    assert isinstance(output.raw, dict)
    text = output.raw["traceback"]
    assert isinstance(text, str)
    return text


def test_an_exception_gives_class_message_and_traceback() -> None:
    output = failure(ValueError("out of stock"))
    assert output.code == "process_failed"
    assert output.message == "out of stock"
    assert isinstance(output.raw, dict)
    assert output.raw["exception"] == "ValueError"
    assert "raise error" in traceback_of(output)
    assert "ValueError: out of stock" in traceback_of(output)


def test_the_cause_is_in_the_traceback() -> None:
    error = ValueError("outer")
    error.__cause__ = KeyError("inner")
    assert "KeyError: 'inner'" in traceback_of(failure(error))


def test_an_effect_error_keeps_its_code() -> None:
    output = failure(EffectError(EffectErrorCode.PATH_SHARED, "two tasks"))
    assert (output.code, output.message) == ("effect_path_shared", "two tasks")


def test_what_is_no_json_is_said_with_the_name_of_the_definition() -> None:
    output = failure(WireError(EffectErrorCode.INVALID_JSON, "got an object"))
    assert (output.code, output.message) == ("invalid_json", "process 'order': got an object")


def test_an_exception_without_a_text_gives_its_class() -> None:
    assert failure(ValueError()).message == "ValueError"


def test_an_exception_that_cannot_say_what_it_is_gives_an_end_all_the_same() -> None:
    output = failure(SpeechlessError())
    assert output.message == "an exception that has no text"
    assert error_text(SpeechlessError()) == "SpeechlessError: an exception that has no text"


def test_text_that_is_no_unicode_is_escaped() -> None:
    """File names of the operating system need not be Unicode, and errors have them."""
    error = FileNotFoundError("no such file: caf\udce9")
    assert failure(error).message == r"no such file: caf\udce9"
    assert r"caf\udce9" in traceback_of(failure(error))
    assert error_text(error) == r"FileNotFoundError: no such file: caf\udce9"


def test_an_exception_group_is_told_whole() -> None:
    output = failure(ExceptionGroup("two of them", [ValueError("one"), KeyError("other")]))
    assert output.message == "two of them (2 sub-exceptions)"
    assert "ValueError: one" in traceback_of(output)
    assert "KeyError: 'other'" in traceback_of(output)


@pytest.mark.parametrize("reason", [None, ""])
def test_a_cancellation_without_a_reason_says_so(reason: str | None) -> None:
    assert cancelled_output(reason) == ProcessAwaitOutput.cancelled(
        "cancelled; no reason was given"
    )


def test_a_cancellation_has_its_reason_and_what_the_function_made_of_it() -> None:
    assert cancelled_output("stop", as_json({"done": (1, 2)})) == ProcessCancellation(
        message="stop", raw={"done": [1, 2]}
    )


def test_what_a_cancelled_function_returned_need_not_be_json() -> None:
    assert as_json({1, 2}) == "a set that is no JSON"
    assert as_json([1, "x", None]) == [1, "x", None]
