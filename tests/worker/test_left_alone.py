"""Rows that are left alone: what the log says of them, and how often."""

from __future__ import annotations

import pytest
import trio

from lash_trio import ProcessDefinitions
from lash_trio.model import ProcessLease
from lash_trio.worker._left_alone import LeftAlone

from .support import HookedRegistry, idle, register, settled, worker, working


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if "is left alone" in r.getMessage()]


async def test_the_log_says_once_of_a_definition_that_it_is_missing_or_another_one(
    registry: HookedRegistry, definitions: ProcessDefinitions, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = ProcessDefinitions()
    elsewhere.process("missing")(idle)
    elsewhere.process("other", rerun="owner_bound")(idle)
    elsewhere.process("outside", rerun="external")(idle)
    definitions.process("other")(idle)
    definitions.process("outside", rerun="external")(idle)
    for name in ("missing", "other", "outside"):
        for number in range(3):
            await register(registry, elsewhere, name, f"{name}-{number}")
    one = worker(registry, definitions, owner_id="me")
    async with working(one):
        for _ in range(5):
            # After every look, not after every other one.
            await trio.sleep(0.4)
            assert len(one.statistics().left_alone) == 9
        for process_id in ("missing-2", "other-2"):
            one.poke(process_id)
        await settled()
        assert len(one.statistics().left_alone) == 9
    assert said(caplog) == [
        (
            "process missing-0 is left alone, and all others like it: "
            "there is no definition 'missing' here"
        ),
        (
            "process other-0 is left alone, and all others like it: "
            "the row is owner_bound, the definition 'other' here is rerunnable"
        ),
    ]
    for record in caplog.records:
        assert record.levelname == "WARNING"
        assert record.__dict__["owner_id"] == "me"


async def test_the_log_does_not_speak_of_them_without_end(
    registry: HookedRegistry, definitions: ProcessDefinitions, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = ProcessDefinitions()
    for number in range(150):
        elsewhere.process(f"missing-{number:03}")(idle)
        await register(registry, elsewhere, f"missing-{number:03}", f"p{number:03}")
    one = worker(registry, definitions)
    async with working(one):
        await trio.sleep(1)
        assert len(one.statistics().left_alone) == 150
    assert len(said(caplog)) == 100


async def test_what_others_hold_is_told_until_the_next_look() -> None:
    left_alone = LeftAlone(ProcessDefinitions(), "me")
    lease = ProcessLease(
        process_id="p",
        owner_id="other",
        lease_token="t",
        fencing_token=1,
        claimed_at_epoch_ms=0,
        expires_at_epoch_ms=3_000,
    )
    left_alone.note_held([lease], now_ms=1_000)
    assert left_alone.reasons() == {"p": "it is leased to 'other' for another 2000 ms"}
    left_alone.begin_look(everything=False)
    assert left_alone.reasons() == {}
