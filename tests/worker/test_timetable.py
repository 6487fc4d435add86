"""When a worker looks at all there is, and at how much of it."""

from __future__ import annotations

import trio

from lash_trio.worker._timetable import Timetable


async def test_where_looking_is_cheap_everything_is_looked_at_every_time() -> None:
    timetable = Timetable(0.5)
    for _ in range(3):
        assert timetable.is_everything_due()
        assert timetable.after_look(0.001, True, None) == trio.current_time() + 0.5
        await trio.sleep(0.5)


async def test_what_only_waits_is_looked_at_for_a_hundredth_of_the_time() -> None:
    timetable = Timetable(0.5)
    everything = 0
    # The first look has to load much; what it took is forgotten.
    next_look = timetable.after_look(5, True, None)
    while trio.current_time() < 1000:
        await trio.sleep_until(next_look)
        if timetable.is_everything_due():
            everything += 1
            next_look = timetable.after_look(0.1, True, None)
        else:
            next_look = timetable.after_look(0.001, False, None)
        assert next_look == trio.current_time() + 0.5
    assert 95 <= everything <= 101


async def test_looking_takes_a_tenth_of_the_time_at_most() -> None:
    timetable = Timetable(0.5)
    timetable.after_look(0.1, True, None)
    timetable.after_look(0.3, False, None)
    next_look = timetable.after_look(0.2, False, None)
    assert abs(next_look - trio.current_time() - 2) < 0.001
    assert timetable.poll_seconds == next_look - trio.current_time()


async def test_so_it_does_where_everything_is_looked_at_every_time() -> None:
    timetable = Timetable(0.5)
    timetable.is_always_everything = True
    timetable.after_look(0.2, True, None)
    assert timetable.is_everything_due()
    assert timetable.after_look(0.2, True, None) == trio.current_time() + 2
    assert timetable.is_everything_due()


async def test_when_a_lease_ends_everything_is_looked_at() -> None:
    timetable = Timetable(10)
    timetable.after_look(1, True, None)
    timetable.after_look(1, True, None)
    next_look = timetable.after_look(0.001, False, trio.current_time() + 3)
    assert next_look == trio.current_time() + 3
    assert not timetable.is_everything_due()
    await trio.sleep_until(next_look)
    assert timetable.is_everything_due()
    # It was renewed.
    timetable.after_look(0.001, False, trio.current_time() + 30)
    assert not timetable.is_everything_due()


async def test_everything_can_be_asked_for() -> None:
    timetable = Timetable(10)
    timetable.after_look(1, True, None)
    timetable.after_look(1, True, None)
    assert not timetable.is_everything_due()
    timetable.look_at_everything()
    assert timetable.is_everything_due()
    assert timetable.after_failure() == trio.current_time() + 10
    assert timetable.is_everything_due()
