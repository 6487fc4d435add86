"""Requests to look: now, at a time, at one process or at all."""

from __future__ import annotations

import trio

from lash_trio.worker._pokes import Pokes


async def test_alarms_come_in_their_order_and_at_their_times() -> None:
    pokes = Pokes()
    pokes.at("late", 5)
    pokes.at("early", 2)
    pokes.at("moved", 1)
    pokes.at("moved", 3)
    pokes.at("forgotten", 1)
    pokes.not_at("forgotten")
    pokes.not_at("nobody")
    seen: list[tuple[float, tuple[str, ...] | None]] = []
    for _ in range(3):
        process_ids = await pokes.wait()
        seen.append((trio.current_time(), process_ids))
    assert seen == [(2, ("early",)), (3, ("moved",)), (5, ("late",))]


async def test_an_alarm_that_is_set_while_somebody_waits() -> None:
    pokes = Pokes()
    pokes.at("late", 50)

    async def set_it() -> None:
        await trio.sleep(1)
        pokes.at("soon", 3)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(set_it)
        assert await pokes.wait() == ("soon",)
    assert trio.current_time() == 3


async def test_what_is_due_comes_with_what_is_poked() -> None:
    pokes = Pokes()
    pokes.at("alarm", 0)
    pokes.poke("poked")
    assert await pokes.wait() == ("poked", "alarm")
    pokes.at("alarm", 0)
    pokes.poke(None)
    assert await pokes.wait() is None
    pokes.clear()
    assert trio.current_time() == 0


async def test_alarms_that_are_moved_again_and_again_take_no_room() -> None:
    pokes = Pokes()
    for time in range(100_000):
        pokes.at("p", 100_000 + time)
        pokes.at(f"q{time % 10}", 200_000 + time)
    assert len(pokes._heap) < 200


async def test_a_look_at_all_leaves_what_is_asked_of_one() -> None:
    """It need not be among those that are looked at."""
    pokes = Pokes()
    pokes.poke(None)
    pokes.poke("p")
    pokes.at("q", 1)
    pokes.clear()
    assert await pokes.wait() == ("p",)
    assert await pokes.wait() == ("q",)
    pokes.poke(None)
    pokes.clear()
    with trio.move_on_after(5):
        raise AssertionError(f"nothing was asked for, got {await pokes.wait()}")


async def test_what_is_asked_for_can_be_taken_without_waiting() -> None:
    pokes = Pokes()
    assert pokes.take() == ()
    pokes.poke("p")
    pokes.at("q", 0)
    pokes.at("r", 1)
    assert pokes.take() == ("p", "q")
    assert await pokes.wait() == ("r",)
    pokes.poke(None)
    assert pokes.take() == ()
    assert await pokes.wait() is None
