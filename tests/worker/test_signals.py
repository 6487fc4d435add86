"""Ordinals of signals: each task counts what it got itself."""

from __future__ import annotations

import pytest

from lash_trio import EffectError, EffectErrorCode
from lash_trio.kernel import TaskPath
from lash_trio.worker._signals import SignalOrdinals

GO, STOP = "signal.go", "signal.stop"


def test_the_next_one_is_the_one_after_the_last() -> None:
    ordinals, path = SignalOrdinals(), TaskPath()
    assert ordinals.next(GO, path) == 1
    assert ordinals.next(GO, path) == 1, "it has not got it yet"
    ordinals.consume(GO, 1, path)
    assert ordinals.next(GO, path) == 2
    assert ordinals.next(STOP, path) == 1, "each name counts on its own"


def test_naming_an_ordinal_goes_on_from_there_in_the_same_task() -> None:
    ordinals, path = SignalOrdinals(), TaskPath()
    ordinals.consume(GO, 3, path)
    assert ordinals.next(GO, path) == 4
    ordinals.consume(GO, 1, path)
    assert ordinals.next(GO, path) == 4


def test_what_another_task_names_moves_nothing() -> None:
    ordinals, path = SignalOrdinals(), TaskPath()
    ordinals.consume(GO, ordinals.next(GO, path), path)
    ordinals.consume(GO, 7, TaskPath("other/"))
    assert ordinals.next(GO, path) == 2


def test_two_tasks_cannot_both_leave_a_name_to_the_context() -> None:
    ordinals, path = SignalOrdinals(), TaskPath()
    ordinals.next(GO, path)
    other = TaskPath("other/")
    with pytest.raises(EffectError, match=r"two tasks wait for the next 'signal.go'") as refused:
        ordinals.next(GO, other)
    assert refused.value.code == EffectErrorCode.PATH_SHARED
    assert ordinals.next(STOP, other) == 1


def test_a_signal_that_two_tasks_got_is_consumed_once() -> None:
    ordinals, path = SignalOrdinals(), TaskPath()
    ordinals.consume(GO, 2, path)
    ordinals.consume(GO, 2, TaskPath("other/"))
    ordinals.consume(GO, 1, path)
    ordinals.consume(STOP, 1, path)
    assert ordinals.consumed == {GO: 2, STOP: 1}
