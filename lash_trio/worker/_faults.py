"""What stands in the way of a run, where that is not how its process ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from ..model import DurabilityTier, EffectError, EffectErrorCode

_BREAKS_OFF = frozenset(
    {
        # Somebody else owns the process, or its scope.
        EffectErrorCode.SCOPE_LEASE_LOST,
        EffectErrorCode.SCOPE_LEASE_HELD,
        # A store or registry did not answer; it may the next time.
        EffectErrorCode.RUNTIME_STORE,
        EffectErrorCode.PROCESS_TASK_JOIN,
    }
)

_NEEDS_REPAIR = frozenset(
    {
        # The code is not the one that was recorded; the right one may come back.
        EffectErrorCode.REPLAY_MISMATCH,
        EffectErrorCode.REPLAY_MISSING,
    }
)

_NEEDS_REPAIR_IF_DURABLE = frozenset(
    {
        # The code has no order that a replay could follow.  Where nothing is replayed
        # it is an error like any other.
        EffectErrorCode.PATH_SHARED,
    }
)


def breaks_off(error: BaseException, durability: DurabilityTier) -> bool:
    """Whether an exception, or one in a group, means that a run stops without an end.

    The process is driven again then: later, or once its code is repaired.

    Args:
        error: what the process function raised.
        durability: of the host that ran it.
    """
    return any(
        fault.code in _BREAKS_OFF or _needs_repair(fault, durability)
        for fault in _effect_errors(error)
    )


def fault_to_repair(error: Exception, durability: DurabilityTier) -> EffectError | None:
    """What of a run that broke off somebody has to repair; None where time may do.

    Args:
        error: what ended the run.
        durability: of the host that ran it.
    """
    faults = list(_effect_errors(error))
    if any(fault.code in _BREAKS_OFF for fault in faults):
        return None
    return next((fault for fault in faults if _needs_repair(fault, durability)), None)


def sole_fault(error: Exception) -> Exception:
    """What a group holds, where that is one exception."""
    if isinstance(error, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", error)
        return sole_fault(group.exceptions[0]) if len(group.exceptions) == 1 else group
    return error


def _needs_repair(fault: EffectError, durability: DurabilityTier) -> bool:
    return fault.code in _NEEDS_REPAIR or (
        durability is DurabilityTier.DURABLE and fault.code in _NEEDS_REPAIR_IF_DURABLE
    )


def _effect_errors(error: BaseException) -> Iterator[EffectError]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _effect_errors(inner)
    elif isinstance(error, EffectError):
        yield error
