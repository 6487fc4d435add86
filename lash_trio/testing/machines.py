"""Programs drawn by hypothesis that drive your registry, compared with a model.

A program is drawn first and run then, in one trio run of its own, in virtual time and
under a schedule that the program's seed decides; so a failure shrinks, and replays.
All that it takes for a registry of yours::

    clock = ManualClock()
    under_test = RegistryUnderTest(
        open=lambda: contextlib.nullcontext(MyRegistry(clock)), advance_ms=clock.advance_ms
    )

    @given(registry_programs())
    def test_registry(program):
        check_registry_program(under_test, program)

Drawing programs needs the extra ``lash-trio[testing]``, running them does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._conformance._host_bench import HostUnderTest as HostUnderTest
from ._conformance._registry_bench import (
    ManualClock as ManualClock,
    RegistryUnderTest as RegistryUnderTest,
)
from ._machine._agree import check_registries_agree as check_registries_agree
from ._machine._check_effects import check_effect_program as check_effect_program
from ._machine._check_registry import check_registry_program as check_registry_program
from ._machine._effect_program import (
    Action as Action,
    AwaitResult as AwaitResult,
    Block as Block,
    CancelEffect as CancelEffect,
    CancelOutside as CancelOutside,
    CancelScope as CancelScope,
    Child as Child,
    Effect as Effect,
    EffectProgram as EffectProgram,
    Emit as Emit,
    Execute as Execute,
    Limit as Limit,
    Pause as Pause,
    Start as Start,
)
from ._machine._program import (
    Advance as Advance,
    CancelWait as CancelWait,
    Interrupted as Interrupted,
    RegistryProgram as RegistryProgram,
    Reopen as Reopen,
    StartWait as StartWait,
    Together as Together,
)
from ._machine._simplest import simplest as simplest
from ._machine._step import CallStep as CallStep
from ._machine._steps_grants import (
    Claim as Claim,
    CompleteLeased as CompleteLeased,
    DeleteSession as DeleteSession,
    GrantHandle as GrantHandle,
    Release as Release,
    Renew as Renew,
    RevokeHandle as RevokeHandle,
    TransferHandles as TransferHandles,
)
from ._machine._steps_log import (
    AckWake as AckWake,
    Append as Append,
    ClearWait as ClearWait,
    Complete as Complete,
    Register as Register,
    SetExternalRef as SetExternalRef,
    SetWait as SetWait,
)
from ._machine._steps_reads import (
    CountEvents as CountEvents,
    GetRow as GetRow,
    IsSeen as IsSeen,
    ListAll as ListAll,
    ListNonTerminal as ListNonTerminal,
    ListSeen as ListSeen,
    ListSeers as ListSeers,
    ReadEvents as ReadEvents,
    ReadRecent as ReadRecent,
    ReadWakes as ReadWakes,
)

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def registry_programs(
    *, max_parts: int = 6, reopen: bool = False
) -> SearchStrategy[RegistryProgram]:
    """Programs for registries, as a strategy of hypothesis.

    Args:
        max_parts: how many parts a program has at most; each has up to 18 steps about
            one theme, such as waits or leases.
        reopen: whether the registry is closed and opened again now and then.

    Raises:
        ImportError: hypothesis is not installed.
    """
    _need_hypothesis()
    from ._machine._registry_strategy import registry_programs as programs

    return programs(max_parts, reopen)


def effect_programs() -> SearchStrategy[EffectProgram]:
    """Programs for effect scopes, as a strategy of hypothesis.

    Raises:
        ImportError: hypothesis is not installed.
    """
    _need_hypothesis()
    from ._machine._effect_strategy import effect_programs as programs

    return programs()


def _need_hypothesis() -> None:
    try:
        import hypothesis as _  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "programs are drawn with hypothesis, which is not installed here; "
            "install lash-trio[testing]"
        ) from error
