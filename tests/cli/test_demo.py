"""The demo: what it says is what happened."""

from __future__ import annotations

import re

from trio.testing import MockClock

from lash_trio.cli._demo import ANSWER_SECONDS, tell_demo
from tests.cli.support import Shown


async def test_the_story_on_the_mock_clock(shown: Shown, autojump_clock: MockClock) -> None:
    with shown.showing():
        await tell_demo(shown)
    headings = [line for line in shown.lines if re.match(r"\d\. ", line)]
    assert [heading[0] for heading in headings] == list("123456")
    told = [
        # Steps side by side take as long as the slowest.
        f"demo: 3 steps took {max(ANSWER_SECONDS.values()):.2f} s",
        "order-1: sleeps for 0.8 s",
        "worker: 0 running, 1 parked",
        'order-1: gets the signal scan {"gate":"C"}',
        'order-1: scanned {"gate":"C"}',
        "demo: number 3 was 0.80 s early",
        "order-1: waits for the signal paid",
        "order-1: waits for the end of order-1/start:ship#1",
        "order-1/start:ship#1: completed",
        "order-1: completed",
        "guarantee-1: is asked to end: the customer moved away",
        "guarantee-1: was cancelled: the customer moved away",
        "demo: who awaits it gets the error process_cancelled",
        "worker: drains",
        "catalogue-1: completed",
        "worker: has ended; the registry has 0 leases and 0 waiters",
        "guarantee-2: still waits for the signal claimed",
        "guarantee-2: completed",
    ]
    places = [
        next(n for n, line in enumerate(shown.lines) if line.startswith(beginning))
        for beginning in told
    ]
    assert places == sorted(places), "the story has an order"
    scans = [re.findall(r"scan .*gate\":\"(.)", line) for line in shown.lines]
    assert [gate for found in scans for gate in found] == ["A", "B", "C"]
    assert shown.board.seconds() < 6
