"""Cancelling a process on a real server."""

from __future__ import annotations

import trio

from lash_trio import EffectError, ProcessContext, ProcessDefinitions
from tests.engines.restate_server.server import RestateServer
from tests.engines.restate_server.support import SOON_PARKED, serving, wait_until_parked


class Patient:
    """A process that is cancelled while a step runs, and what happened in which order."""

    def __init__(self) -> None:
        self.definitions = ProcessDefinitions()
        self.seen: list[str] = []
        self.began = trio.Event()
        self.definitions.process("patient")(self.process)

    async def last_step(self) -> None:
        self.seen.append("a step after the cancel")

    async def long_step(self) -> None:
        self.began.set()
        try:
            await trio.sleep_forever()
        finally:
            self.seen.append("the step was cancelled")

    async def child(self, ctx: ProcessContext) -> None:
        try:
            await ctx.sleep(1000)
        finally:
            self.seen.append("the child was cancelled")

    async def process(self, ctx: ProcessContext) -> None:
        try:
            async with ctx.open_nursery() as nursery:
                nursery.start_soon(self.child, ctx)
                await ctx.step("long", self.long_step)
        finally:
            self.seen.append("the nursery has ended")
            try:
                await ctx.step("last", self.last_step)
            except EffectError as error:
                self.seen.append(f"another step: {error.code}")


async def test_a_cancel_reaches_the_running_step_and_is_recorded_with_its_reason(
    server: RestateServer,
) -> None:
    patient = Patient()
    async with serving(server, patient.definitions):
        await server.start_process("cancel-1", "patient", {})
        with trio.fail_after(10):
            await patient.began.wait()
        assert await server.cancel("cancel-1", "no longer needed") is True
        assert await server.cancel("cancel-1", "for another reason") is False
        answer = await server.output("cancel-1")
    assert sorted(patient.seen[:2]) == ["the child was cancelled", "the step was cancelled"]
    assert patient.seen[2:] == [
        "the nursery has ended",
        "another step: runtime_effect_cancelled",
    ]
    assert (answer.body["type"], answer.body["message"]) == ("cancelled", "no longer needed")


async def test_a_cancel_through_restate_reaches_the_running_step(server: RestateServer) -> None:
    patient = Patient()
    async with serving(server, patient.definitions):
        invocation_id = await server.start_process("cancel-2", "patient", {})
        with trio.fail_after(10):
            await patient.began.wait()
        cancelled = await server.admin("PATCH", f"/invocations/{invocation_id}/cancel")
        assert cancelled.status in (200, 202), cancelled
        answer = await server.output("cancel-2")
    assert "the step was cancelled" in patient.seen
    assert answer.body["type"] == "cancelled"
    assert answer.body["message"] == "the invocation was cancelled through Restate"


async def test_a_parked_process_is_cancelled_too(server: RestateServer) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("sleeper")
    async def sleeper(ctx: ProcessContext) -> None:
        await ctx.sleep(10_000)

    async with serving(server, definitions, SOON_PARKED) as endpoint:
        await server.start_process("cancel-3", "sleeper", {})
        await server.wait_status("cancel-3", "suspended")
        await wait_until_parked(endpoint)
        await server.cancel("cancel-3", "enough")
        answer = await server.output("cancel-3")
    assert (answer.body["type"], answer.body["message"]) == ("cancelled", "enough")


async def test_a_cancel_before_the_start_ends_it_at_its_first_effect(
    server: RestateServer,
) -> None:
    patient = Patient()
    async with serving(server, patient.definitions):
        await server.cancel("cancel-4", "never mind")
        await server.start_process("cancel-4", "patient", {})
        answer = await server.output("cancel-4")
    assert (answer.body["type"], answer.body["message"]) == ("cancelled", "never mind")


async def test_what_ignores_a_cancel_is_ended_after_its_grace(server: RestateServer) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("deaf")
    async def deaf(ctx: ProcessContext) -> None:
        await trio.sleep_forever()

    async with serving(server, definitions):
        await server.start_process("cancel-5", "deaf", {})
        await server.cancel("cancel-5", "wake up")
        answer = await server.output("cancel-5")
    assert (answer.body["type"], answer.body["message"]) == ("cancelled", "wake up")
