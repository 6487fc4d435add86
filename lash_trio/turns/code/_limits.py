"""How much executed code may use."""

from __future__ import annotations

import math
from typing import TypeVar

import attrs

from ...model import InvalidValueError

_N = TypeVar("_N", int, float)


def _positive(_: object, attribute: attrs.Attribute[_N], value: _N) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise InvalidValueError(
            f"{attribute.name} must be a finite number above zero, got {value!r}"
        )


def _not_negative(_: object, attribute: attrs.Attribute[_N], value: _N) -> None:
    if not (value >= 0 and math.isfinite(value)):
        raise InvalidValueError(
            f"{attribute.name} must be a finite number, zero or above, got {value!r}"
        )


@attrs.frozen(kw_only=True)
class CodeLimits:
    """How much one run may use.

    Args:
        memory_bytes: of the interpreter; a run that needs more is ended.
        run_seconds: for how long code may execute altogether; while it waits for a tool
            or sleeps this clock stands.
        slice_seconds: for how long it may execute from one call of a tool to the next.
            A cancellation in between takes effect after this long at most.
        recursion_depth: of functions.
        output_bytes: how much of what is printed is kept and told; the rest is dropped.
        value_bytes: how large the arguments of one call of a tool may be, and the value
            of the run, as JSON.
        tool_calls: how many calls of tools a run may make.
        sleep_seconds: for how long a run may sleep altogether.
    """

    memory_bytes: int = attrs.field(default=64 * 1024 * 1024, validator=_positive)
    run_seconds: float = attrs.field(default=10.0, validator=_positive)
    slice_seconds: float = attrs.field(default=2.0, validator=_positive)
    recursion_depth: int = attrs.field(default=200, validator=_positive)
    output_bytes: int = attrs.field(default=64 * 1024, validator=_positive)
    value_bytes: int = attrs.field(default=256 * 1024, validator=_positive)
    tool_calls: int = attrs.field(default=100, validator=_not_negative)
    sleep_seconds: float = attrs.field(default=10.0, validator=_not_negative)
