"""Process functions run for an engine, without registry, lease or worker."""

from __future__ import annotations

import pytest
import trio

from lash_trio import (
    EffectError,
    EffectScope,
    InlineEffectHost,
    JournalEntry,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    PluginError,
    ProcessContext,
    ProcessDefinitions,
    ReplayingEffectHost,
)
from lash_trio.abc import EffectHost
from lash_trio.model import to_json
from lash_trio.worker import HostedProcesses

definitions = ProcessDefinitions()


async def double(number: int) -> int:
    return 2 * number


@definitions.process("add", signals=["more"])
async def add(ctx: ProcessContext, number: int) -> int:
    doubled = await ctx.step("double", double, number)
    assert isinstance(doubled, int)
    return doubled + 1


@definitions.process("fails")
async def fails(ctx: ProcessContext) -> None:
    raise PermissionError("no")


@definitions.process("waits")
async def waits(ctx: ProcessContext) -> None:
    async with ctx.open_nursery() as nursery:
        nursery.start_soon(ctx.scope.sleep, 1000)


@definitions.process("deaf")
async def deaf(ctx: ProcessContext) -> None:
    await trio.sleep_forever()


async def run(name: str, cancel_after: float | None = None, **args: int) -> dict[str, object]:
    hosted = HostedProcesses(definitions, cancel_grace_seconds=5)
    async with InlineEffectHost().scoped(EffectScope.process("p")) as scope:
        process = hosted.open("p", name, dict(args), scope, MemoryProcessRegistry())
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def cancel() -> None:
                if cancel_after is not None:
                    await trio.sleep(cancel_after)
                    process.cancel("enough")
                    process.cancel("another reason")

            output = to_json(await process.run())
    assert isinstance(output, dict)
    return dict(output)


async def test_it_runs_to_its_value(autojump_clock: object) -> None:
    assert await run("add", number=4) == {"type": "success", "value": 9}


async def test_what_the_function_raises_is_how_it_ends(autojump_clock: object) -> None:
    output = await run("fails")
    assert (output["type"], output["message"]) == ("failure", "no")


@pytest.mark.parametrize(("name", "seconds"), [("waits", 1), ("deaf", 6)])
async def test_a_cancel_ends_it_with_the_first_reason(
    autojump_clock: object, name: str, seconds: int
) -> None:
    began = trio.current_time()
    output = await run(name, cancel_after=1)
    assert (output["type"], output["message"]) == ("cancelled", "enough")
    assert trio.current_time() - began == pytest.approx(seconds)


def test_event_types_are_those_declared_and_the_core_ones() -> None:
    found = HostedProcesses(definitions).event_types("p", "add", {"number": 1})
    assert {"signal.more", "process.completed", "process.cancel_requested"} <= found


@pytest.mark.parametrize(
    ("process_id", "name", "args", "reason"),
    [
        ("p", "nothing", {}, "unknown_definition"),
        ("p", "add", {}, "invalid_arguments"),
        (" ", "add", {"number": 1}, "invalid_registration"),
    ],
)
def test_what_cannot_be_run_is_refused(
    process_id: str, name: str, args: dict[str, int], reason: str
) -> None:
    with pytest.raises(PluginError) as refused:
        HostedProcesses(definitions).event_types(process_id, name, dict(args))
    assert refused.value.reason == reason


async def test_a_replay_mismatch_is_no_end_of_the_process(autojump_clock: object) -> None:
    journal = MemoryEffectJournal()
    scope = EffectScope.process("p")
    async with journal.open_scope(scope, "earlier") as opened:
        await opened.record(JournalEntry(replay_key="double#1", envelope='{"other":1}'))
    host: EffectHost = ReplayingEffectHost(journal)
    async with host.scoped(scope) as opened_scope:
        process = HostedProcesses(definitions).open(
            "p",
            "add",
            {"number": 1},
            opened_scope,  # type: ignore[arg-type]
            MemoryProcessRegistry(),
        )
        with pytest.raises(EffectError) as raised:
            await process.run()
    assert raised.value.code == "effect_replay_mismatch"
