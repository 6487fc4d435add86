"""The objects of the registry on a real server: what dies, and what is asked at once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
import trio

from lash_trio import ProcessContext, ProcessDefinitions, ProcessEventAppendRequest, ProcessInput
from lash_trio.engines.restate import RestateEndpoint
from lash_trio.engines.restate._keys import ObjectKeys
from lash_trio.model import ProcessEventType, ProcessProvenance, ProcessRegistration, to_json
from tests.engines.restate_server.server import RestateServer, free_port
from tests.engines.restate_server.support import serving

APP = Path(__file__).with_name("objects_app.py")
KILLS = 6
APPENDS = 120
TASKS = 4


def registration(process_id: str, input: ProcessInput | None = None) -> Any:
    return to_json(
        ProcessRegistration(
            id=process_id,
            input=ProcessInput.external() if input is None else input,
            event_types=(ProcessEventType(name="signal.a"),),
            provenance=ProcessProvenance.host("tests"),
        )
    )


def request(number: int) -> Any:
    asked = ProcessEventAppendRequest(event_type="signal.a", payload=number)
    return to_json(asked.with_replay_key(f"k{number}"))


@attrs.frozen
class Log:
    """One process's object."""

    server: RestateServer
    process_id: str

    async def answer(self, handler: str, body: object) -> Any:
        key = quote(ObjectKeys("").of_process(self.process_id), safe="")
        found = await self.server.ingress("POST", f"/LashProcessLog/{key}/{handler}", body)
        assert found.status == 200, found
        return found.body

    async def ask(self, handler: str, **body: object) -> Any:
        return (await self.answer(handler, body))["Ok"]

    async def register(self, input: ProcessInput | None = None) -> None:
        await self.ask("register_process", registration=registration(self.process_id, input))

    async def append(self, number: int) -> Any:
        return await self.ask("append_event", request=request(number))

    async def payloads(self) -> list[int]:
        events = (await self.ask("events_after", after_sequence=0))["events"]
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
        return [event["payload"] for event in events]


@asynccontextmanager
async def objects(server: RestateServer) -> AsyncGenerator[None, None]:
    """An endpoint of the registry alone; cut off at the end of the block."""
    async with trio.open_nursery() as nursery:
        endpoint = RestateEndpoint(None)
        port = await nursery.start(
            lambda task_status: endpoint.serve_tcp(0, task_status=task_status)
        )
        answer = await server.register(port)
        assert answer.status in (200, 201), answer
        yield
        nursery.cancel_scope.cancel("the test is over")


async def test_what_was_appended_survives_the_server(own_server: RestateServer) -> None:
    own_server.start()
    log = Log(own_server, "survives")
    async with objects(own_server):
        await log.register()
        first = await log.append(1)
        own_server.kill()
        own_server.start()
        assert await log.payloads() == [1]
        assert await log.append(1) == {**first, "replayed": True}
        await log.append(2)
        assert await log.payloads() == [1, 2]
        listed = await own_server.ingress(
            "POST", "/LashProcessIndex/all/list", {"status": "running", "limit": 5}
        )
        assert listed.body["Ok"]["ids"] == ["survives"]


async def test_appends_at_once_are_numbered_without_gap(server: RestateServer) -> None:
    log = Log(server, "at-once")
    async with objects(server):
        await log.register()
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(log.append, number)
        assert sorted(await log.payloads()) == list(range(20))


async def test_who_follows_a_log_is_told_of_the_next_event(server: RestateServer) -> None:
    log = Log(server, "followed")
    async with objects(server):
        await log.register()
        found: list[Any] = []

        async def follow() -> None:
            found.append(await log.ask("changed", after_sequence=0, timeout_ms=30_000))

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                nursery.start_soon(follow)
                # Both wait at the server by then, which tells nobody of it.
                await trio.sleep(0.5)
                await log.append(1)
        told = {"sequence": 1, "event_type": "signal.a", "ordinal": 1}
        assert found == [{"last_sequence": 1, "is_terminal": False, "events": [told]}] * 2


async def test_a_handler_whose_endpoint_is_killed_goes_on(own_server: RestateServer) -> None:
    own_server.start()
    chance = random.Random(3)
    port = free_port()
    log = Log(own_server, "killed")
    left = list(range(APPENDS))
    answered: list[int] = []
    processes: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        processes.append(subprocess.Popen([sys.executable, str(APP), str(port)]))

    async def append_all() -> None:
        while left:
            number = left.pop()
            result = await log.append(number)
            # It may be an attempt of this very call that wrote it: never another.
            assert not result["replayed"]
            answered.append(number)

    try:
        start()
        with trio.fail_after(20):
            while (await own_server.register(port)).status not in (200, 201):  # noqa: ASYNC110
                await trio.sleep(0.1)
        await log.register()
        with trio.fail_after(100):
            async with trio.open_nursery() as nursery:
                for _ in range(TASKS):
                    nursery.start_soon(append_all)
                for _ in range(KILLS):
                    await trio.sleep(chance.uniform(0.02, 0.08))
                    # Otherwise nothing is under way, and this shows nothing.
                    assert left
                    processes[-1].kill()
                    processes[-1].wait(10)
                    start()
                    before = len(answered)
                    while left and len(answered) < before + 5:  # noqa: ASYNC110
                        await trio.sleep(0.01)
        assert sorted(await log.payloads()) == sorted(answered) == list(range(APPENDS))
    finally:
        processes[-1].kill()
        processes[-1].wait(10)


async def test_a_request_that_is_none_is_answered_clearly(server: RestateServer) -> None:
    log = Log(server, "asked")
    async with objects(server):
        await log.register()
        asked: list[tuple[object, str]] = [
            ([], "a request as a JSON object, got a list"),
            ({}, "a request with a member 'request'"),
            ({"request": {"event_type": 1}}, "event_type"),
        ]
        for body, told in asked:
            error = (await log.answer("append_event", body))["Err"]
            assert (error["class"], error["code"]) == ("effect", "invalid_value")
            assert told in error["message"]
        assert await log.payloads() == []


@pytest.mark.parametrize("process_id", ["a/b", "~x", "~a~b", "grüße %2F?#", " ", "x" * 1000])
async def test_a_process_may_have_any_id(server: RestateServer, process_id: str) -> None:
    log = Log(server, process_id)
    async with objects(server):
        if process_id.strip():
            await log.register()
            assert (await log.ask("get_process"))["id"] == process_id
        else:
            assert await log.ask("get_process") is None


async def test_a_call_cancelled_by_an_operator_is_an_error(server: RestateServer) -> None:
    log = Log(server, "cancelled")
    async with objects(server):
        await log.register()
        async with trio.open_nursery() as nursery:

            async def follow() -> None:
                body = {"after_sequence": 0, "timeout_ms": 60_000}
                found = await server.ingress("POST", "/LashProcessLog/cancelled/changed", body)
                assert (found.status, found.body["message"]) == (409, "cancelled through Restate")

            nursery.start_soon(follow)
            with trio.fail_after(20):
                while not (rows := await waiting(server, "cancelled")):  # noqa: ASYNC110
                    await trio.sleep(0.05)
                answer = await server.admin("PATCH", f"/invocations/{rows[0]['id']}/cancel")
                assert answer.status in (200, 202), answer
        await log.append(1)
        assert await log.payloads() == [1]


async def waiting(server: RestateServer, key: str) -> list[dict[str, Any]]:
    return await server.query(
        "select id from sys_invocation where target_handler_name = 'changed' "
        f"and target_service_key = '{key}' and status in ('running', 'suspended')"
    )


async def test_a_registered_function_is_run(server: RestateServer) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("double")
    async def double(ctx: ProcessContext, number: int) -> int:
        return 2 * number

    log = Log(server, "function-1")
    async with serving(server, definitions):
        await log.register(ProcessInput.function("double", {"number": 21}))
        with trio.fail_after(20):
            answer = await server.output("function-1")
        assert answer.body == {"type": "success", "value": 42}
