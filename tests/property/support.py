"""What the tests of the machines share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from lash_trio import MemoryProcessRegistry
from lash_trio.testing.machines import ManualClock, RegistryUnderTest

ProgramT = TypeVar("ProgramT")

PROGRAMS_TO_FIND_A_FAULT = 500


def is_thorough() -> bool:
    """Whether this is the property session, which has time."""
    return settings.get_current_profile_name() == "property"


def programs_of(ordinary: int, *, thorough: int | None = None, shrink: bool = True) -> settings:
    """As many programs as the property session runs, or a few in the ordinary suite.

    Args:
        ordinary: how many the ordinary suite runs.
        thorough: how many the property session runs, where its own number takes too long.
        shrink: whether what fails is made smaller.
    """
    many = settings().max_examples if thorough is None else thorough
    return settings(
        max_examples=many if is_thorough() else ordinary,
        phases=[phase for phase in settings().phases if shrink or phase is not Phase.shrink],
    )


def in_memory(kind: type[MemoryProcessRegistry] = MemoryProcessRegistry) -> RegistryUnderTest:
    clock = ManualClock()
    return RegistryUnderTest(
        open=lambda: contextlib.nullcontext(kind(clock)), advance_ms=clock.advance_ms
    )


def draw(programs: SearchStrategy[ProgramT], ordinary: int) -> list[ProgramT]:
    """Programs as hypothesis draws them, the same in every run.

    A fault has to be found by 500.  The ordinary suite has time for fewer, and looks
    for those that are found early.
    """
    drawn: list[ProgramT] = []

    @settings(
        max_examples=PROGRAMS_TO_FIND_A_FAULT if is_thorough() else ordinary,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(programs)
    def keep(program: ProgramT) -> None:
        drawn.append(program)

    keep()
    return drawn


def first_red(check: Callable[[ProgramT], None], programs: Iterable[ProgramT]) -> ProgramT | None:
    """The first program that a check fails for."""
    for program in programs:
        try:
            check(program)
        except AssertionError:
            return program
    return None
