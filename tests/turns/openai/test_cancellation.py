"""Cancelled, a call is gone at once, and so is its connection."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import TurnStreamEvent

from .server import JSON, STREAM, Exchange, delta
from .support import HELLO, Watch, asking


@pytest.mark.parametrize("begun", ["nothing", "headers", "some", "line", "json", "error"])
async def test_while_the_endpoint_is_waited_for(patient_clock: MockClock, begun: str) -> None:
    async def handler(exchange: Exchange) -> None:
        match begun:
            case "nothing":
                pass
            case "json":
                await exchange.start(JSON)
                await exchange.send("{")
            case "error":
                await exchange.start(JSON, 500)
                await exchange.send("{")
            case _:
                await exchange.start(STREAM)
        if begun in {"some", "line"}:
            await exchange.event(delta("x"))
        if begun == "line":
            await exchange.send('data: {"cho')
        await exchange.hang()

    async with asking(handler) as (provider, server):
        began = trio.current_time()
        with trio.move_on_after(3) as scope:
            await provider.complete(HELLO, Watch())
        assert scope.cancelled_caught
        assert trio.current_time() - began == pytest.approx(3, abs=0.5)
        # The provider is open, and its connection is gone all the same.
        await server.wait_closed()


async def test_while_the_reader_is_waited_for() -> None:
    class Never:
        async def send(self, event: TurnStreamEvent) -> None:
            await trio.sleep_forever()

    async def handler(exchange: Exchange) -> None:
        await exchange.start(STREAM)
        for text in "abc":
            await exchange.event(delta(text))
        await exchange.hang()

    async with asking(handler) as (provider, server), trio.open_nursery() as nursery:
        nursery.start_soon(provider.complete, HELLO, Never())
        await wait_all_tasks_blocked(0.05)
        nursery.cancel_scope.cancel()
    assert server.open == 0


async def test_before_it_has_begun() -> None:
    async def handler(exchange: Exchange) -> None:
        raise AssertionError("nothing may be asked")

    async with asking(handler) as (provider, server):
        with trio.CancelScope() as scope:
            scope.cancel()
            await provider.complete(HELLO, Watch())
        assert scope.cancelled_caught
        assert server.accepted == 0


async def test_a_watcher_that_fails_is_not_hidden() -> None:
    class Broken:
        async def send(self, event: TurnStreamEvent) -> None:
            raise ZeroDivisionError

    async def handler(exchange: Exchange) -> None:
        await exchange.start(STREAM)
        await exchange.event(delta("x"))
        await exchange.hang()

    async with asking(handler) as (provider, server):
        with pytest.raises(ZeroDivisionError):
            await provider.complete(HELLO, Broken())
        await server.wait_closed()


async def test_leaving_the_block_while_cancelled_closes_what_is_open() -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.answer(
            '{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}'
        )

    with trio.CancelScope() as scope:
        async with asking(handler) as (provider, server):
            await provider.complete(HELLO, Watch())
            assert server.open == 1
            scope.cancel()
    assert scope.cancelled_caught
