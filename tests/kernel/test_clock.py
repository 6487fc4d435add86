"""Clocks never run backwards, and trio's passes in virtual time."""

from __future__ import annotations

import time

import pytest
import trio
from trio.testing import MockClock

from lash_trio import SystemClock, TrioClock


def test_the_system_clock_tells_the_time_of_day() -> None:
    before_ms = time.time_ns() // 1_000_000
    now_ms = SystemClock().now_ms()
    assert before_ms <= now_ms <= time.time_ns() // 1_000_000


def test_the_system_clock_does_not_follow_the_machine_backwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SystemClock()
    first_ms = clock.now_ms()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert clock.now_ms() == first_ms


async def test_the_clock_of_trio_passes_in_virtual_time(autojump_clock: MockClock) -> None:
    clock = TrioClock()
    first_ms = clock.now_ms()
    assert abs(first_ms - time.time() * 1000) < 60_000
    await trio.sleep(86_400)
    assert abs(clock.now_ms() - first_ms - 86_400_000) <= 1


async def test_clocks_of_one_run_agree(autojump_clock: MockClock) -> None:
    first = TrioClock()
    first.now_ms()
    await trio.sleep(86_400)
    assert TrioClock().now_ms() == first.now_ms()


def test_the_clock_of_trio_goes_on_in_the_next_run() -> None:
    # Every run of trio counts from a beginning of its own.
    clock = TrioClock()

    async def day() -> tuple[int, int]:
        first_ms = clock.now_ms()
        await trio.sleep(86_400)
        return first_ms, clock.now_ms()

    end_ms = 0
    for _ in range(3):
        first_ms, last_ms = trio.run(day, clock=MockClock(autojump_threshold=0))
        # Virtual time is ahead of the time of day, so it goes on from where it was.
        assert end_ms <= first_ms <= (end_ms or first_ms) + 60_000
        assert abs(last_ms - first_ms - 86_400_000) <= 1
        end_ms = last_ms


def test_the_clock_of_trio_tells_the_time_of_day_in_each_run() -> None:
    clock = TrioClock()

    async def now() -> int:
        return clock.now_ms()

    for _ in range(3):
        assert abs(trio.run(now) - time.time() * 1000) < 60_000


def test_the_clock_of_trio_does_not_lose_a_millisecond_between_runs() -> None:
    # Where it goes on is found by adding and subtracting floats.
    clock = TrioClock()

    async def jump(seconds: float) -> tuple[int, int]:
        mock = trio.lowlevel.current_clock()
        assert isinstance(mock, MockClock)
        mock.jump(seconds)
        first_ms = clock.now_ms()
        mock.jump(86_400)
        return first_ms, clock.now_ms()

    last_ms = 0
    for number in range(200):
        first_ms, then_ms = trio.run(jump, number / 7, clock=MockClock())
        assert last_ms <= first_ms <= then_ms
        last_ms = then_ms
