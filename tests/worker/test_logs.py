"""What the worker logs says of whom it speaks, beside the text."""

from __future__ import annotations

import logging

import pytest
import trio

from lash_trio import (
    EffectError,
    EffectErrorCode,
    ProcessContext,
    ProcessDefinitions,
    ProcessLeaseCompletion,
    StoreError,
)

from .support import HookedRegistry, idle, raising, register, send, settled, worker, working


def ids_of(caplog: pytest.LogCaptureFixture, text: str) -> dict[str, object]:
    """The ids of the one record with a text."""
    (record,) = [r for r in caplog.records if text in r.getMessage()]
    assert record.name == "lash_trio.worker"
    names = ("process_id", "owner_id", "fencing_token")
    return {name: getattr(record, name) for name in names if hasattr(record, name)}


RUN = {"process_id": "p", "owner_id": "me", "fencing_token": 1}


async def test_a_run_that_broke_off(
    registry: HookedRegistry, definitions: ProcessDefinitions, caplog: pytest.LogCaptureFixture
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        raise StoreError("bad sector")

    await register(registry, definitions, p)
    async with working(worker(registry, definitions, owner_id="me")):
        await settled()
    assert ids_of(caplog, "broke off") == RUN


async def test_signals_that_nobody_waited_for(
    registry: HookedRegistry, definitions: ProcessDefinitions, caplog: pytest.LogCaptureFixture
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None: ...

    await register(registry, definitions, p)
    await send(registry, "signal.go")
    async with working(worker(registry, definitions, owner_id="me")):
        await registry.await_process("p")
    assert ids_of(caplog, "never waited for") == RUN


async def test_a_repair(
    registry: HookedRegistry, definitions: ProcessDefinitions, caplog: pytest.LogCaptureFixture
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        raise EffectError(EffectErrorCode.REPLAY_MISMATCH, "other code")

    await register(registry, definitions, p)
    async with working(worker(registry, definitions, owner_id="me")):
        await settled()
    assert ids_of(caplog, "until its code is repaired") == RUN
    (record,) = caplog.records
    assert record.levelno == logging.ERROR


async def test_a_lease_that_is_not_renewed_and_then_lost(
    registry: HookedRegistry, definitions: ProcessDefinitions, caplog: pytest.LogCaptureFixture
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        await trio.sleep(100)

    await register(registry, definitions, p)
    registry.hooks["renew_process_lease"] = raising(StoreError("away"), times=1)
    registry.hooks["complete_process_lease"] = raising(StoreError("away"))
    async with working(worker(registry, definitions, owner_id="me")):
        await trio.sleep(15)
    assert ids_of(caplog, "was not renewed") == RUN
    assert ids_of(caplog, "was not given back") == RUN
    await trio.sleep(100)
    lease = await registry.claim_process_lease("p", "tests", 1)
    registry.hooks.clear()
    await registry.complete_process_lease(ProcessLeaseCompletion.of(lease))


async def test_a_row_that_cannot_be_claimed_or_looked_at(
    registry: HookedRegistry, definitions: ProcessDefinitions, caplog: pytest.LogCaptureFixture
) -> None:
    definitions.process("p")(idle)
    await register(registry, definitions, "p")
    registry.hooks["claim_process_lease"] = raising(StoreError("away"), times=1)
    one = worker(registry, definitions, owner_id="me")
    async with working(one):
        await settled()
        registry.hooks["get_process"] = raising(StoreError("away"), times=1)
        one.poke("p")
        await settled()
        await registry.await_process("p")
    of_a_row = {"process_id": "p", "owner_id": "me"}
    assert ids_of(caplog, "could not be claimed") == of_a_row
    assert ids_of(caplog, "could not be looked at") == of_a_row


async def test_a_registry_that_cannot_list(
    registry: HookedRegistry, definitions: ProcessDefinitions, caplog: pytest.LogCaptureFixture
) -> None:
    registry.hooks["list_non_terminal"] = raising(StoreError("away"), times=1)
    async with working(worker(registry, definitions, owner_id="me")):
        await settled()
    assert ids_of(caplog, "could not list") == {"owner_id": "me"}
