"""How an attempt at an invocation ends, where the server does not end it."""

from __future__ import annotations

import traceback
from typing import TypeAlias

import attrs

from ...model import EffectError, EffectErrorCode
from ._frames import pause_frame
from ._vm import Failure, Vm

_INTERNAL = 500
_JOURNAL_MISMATCH = 570


@attrs.frozen
class Returned:
    """The handler has returned; the invocation is over."""

    value: bytes


@attrs.frozen
class Refused:
    """The handler refuses its argument; the invocation is over."""

    failure: Failure


@attrs.frozen
class NeedsRepair:
    """The invocation waits until somebody has repaired its code."""

    error: EffectError


@attrs.frozen
class BrokeOff:
    """The attempt has failed; the server tries again."""

    error: Exception


Ending: TypeAlias = "Returned | Refused | NeedsRepair | BrokeOff"


def write_ending(vm: Vm, ending: Ending) -> bytes:
    """Have the state machine end the attempt; returns all that is to be sent then.

    Raises:
        VmFault: it refuses.
    """
    match ending:
        case Returned(value=value):
            vm.write_output(value)
            vm.end()
        case Refused(failure=failure):
            vm.write_failure(failure)
            vm.end()
        case NeedsRepair(error=error):
            is_mismatch = error.code == EffectErrorCode.REPLAY_MISMATCH
            code = _JOURNAL_MISMATCH if is_mismatch else _INTERNAL
            return vm.take_output() + pause_frame(code, str(error))
        case BrokeOff(error=error):
            vm.fail_attempt(str(error), "".join(traceback.format_exception(error)))
    return vm.take_output()
