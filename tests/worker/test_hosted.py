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
from lash_trio.model import (
    MAX_SEQUENCE,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ProcessRecord,
    ProcessRegistration,
    prepare_registration,
    to_json,
)
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


def row(registration: ProcessRegistration) -> ProcessRecord:
    return prepare_registration(registration).record(0)


async def run(name: str, cancel_after: float | None = None, **args: int) -> dict[str, object]:
    hosted = HostedProcesses(definitions, cancel_grace_seconds=5)
    async with InlineEffectHost().scoped(EffectScope.process("p")) as scope:
        process = hosted.open(
            row(hosted.registration("p", name, dict(args))), scope, MemoryProcessRegistry()
        )
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


def test_a_registration_declares_the_signals_and_the_core_types() -> None:
    found = HostedProcesses(definitions).registration("p", "add", {"number": 1})
    declared = {each.name for each in found.event_types}
    assert {"signal.more", "process.completed", "process.cancel_requested"} <= declared


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
        HostedProcesses(definitions).registration(process_id, name, dict(args))
    assert refused.value.reason == reason


async def test_a_replay_mismatch_is_no_end_of_the_process(autojump_clock: object) -> None:
    journal = MemoryEffectJournal()
    scope = EffectScope.process("p")
    async with journal.open_scope(scope, "earlier") as opened:
        await opened.record(JournalEntry(replay_key="double#1", envelope='{"other":1}'))
    host: EffectHost = ReplayingEffectHost(journal)
    async with host.scoped(scope) as opened_scope:
        hosted = HostedProcesses(definitions)
        process = hosted.open(
            row(hosted.registration("p", "add", {"number": 1})),
            opened_scope,  # type: ignore[arg-type]
            MemoryProcessRegistry(),
        )
        with pytest.raises(EffectError) as raised:
            await process.run()
    assert raised.value.code == "effect_replay_mismatch"


@definitions.process("parent")
async def parent(ctx: ProcessContext) -> None:
    await ctx.start("deaf")
    await ctx.start("deaf")
    raise PermissionError("no")


async def test_its_end_is_in_its_log_with_the_signals_that_nobody_waited_for(
    autojump_clock: object,
) -> None:
    registry = MemoryProcessRegistry()
    hosted = HostedProcesses(definitions)
    record = await registry.register_process(hosted.registration("p", "add", {"number": 4}))
    await registry.append_event("p", ProcessEventAppendRequest(event_type="signal.more"))
    async with InlineEffectHost().scoped(EffectScope.process("p")) as scope:
        process = hosted.open(record, scope, registry)
        output = await process.run()
        assert await process.end(output) == output
        # Written once more, it is the same end.
        assert await process.end(output) == output
    (last,) = await registry.recent_events("p", 1)
    assert last.event_type == "process.completed"
    assert isinstance(last.payload, dict)
    assert last.payload["unconsumed_signals"] == {"more": 1}
    assert await registry.count_events_through("p", "process.completed", MAX_SEQUENCE) == 1


async def test_an_end_that_the_log_has_already_stays(autojump_clock: object) -> None:
    registry = MemoryProcessRegistry()
    hosted = HostedProcesses(definitions)
    record = await registry.register_process(hosted.registration("p", "add", {"number": 4}))
    earlier = ProcessAwaitOutput.failure("operator", "ended by hand")
    await registry.complete_process("p", earlier)
    async with InlineEffectHost().scoped(EffectScope.process("p")) as scope:
        process = hosted.open(record, scope, registry)
        assert await process.end(await process.run()) == earlier


async def test_a_failed_process_asks_its_children_to_end(autojump_clock: object) -> None:
    registry = MemoryProcessRegistry()
    hosted = HostedProcesses(definitions)
    record = await registry.register_process(hosted.registration("p", "parent", {}))
    # Started by an earlier run: one that runs, one that has ended; and one whose start is
    # still on its way.
    started = [
        hosted.registration(child_id, "deaf", {})
        for child_id in ("early", "over", "late", "p/start:deaf#1")
    ]
    for registration in started[:2]:
        await registry.register_process(registration)
    await registry.complete_process("over", ProcessAwaitOutput.success(None))
    async with InlineEffectHost().scoped(EffectScope.process("p")) as scope:
        process = hosted.open(record, scope, registry)
        await process.end(await process.run(), started)
    await registry.register_process(started[2])
    for child_id, count in {
        "early": 1,
        "over": 0,
        "late": 1,
        "p/start:deaf#1": 1,
        "p/start:deaf#2": 1,
    }.items():
        assert (
            await registry.count_events_through(child_id, "process.cancel_requested", MAX_SEQUENCE)
            == count
        )
    event = await registry.wait_event_nth("early", "process.cancel_requested", 1)
    assert event.payload == {"reason": "its parent 'p' ended as failed"}


async def test_what_nobody_or_only_its_owner_may_run_is_told(autojump_clock: object) -> None:
    kinds = ProcessDefinitions()

    @kinds.process("outside", rerun="external")
    async def outside(ctx: ProcessContext) -> None: ...

    @kinds.process("once", rerun="owner_bound")
    async def once(ctx: ProcessContext) -> None: ...

    hosted = HostedProcesses(kinds)
    with pytest.raises(PluginError, match="no engine runs it") as refused:
        hosted.registration("p", "outside", {})
    assert refused.value.reason == "invalid_registration"
    registered = row(hosted.registration("p", "once", {}))
    registry = MemoryProcessRegistry()
    async with InlineEffectHost().scoped(EffectScope.process("p")) as scope:
        output = hosted.open(registered, scope, registry).abandoned()
        assert output == ProcessAwaitOutput.failure(
            "process_abandoned",
            "its owner is gone, and 'once' is owner_bound: no other owner may run it again",
        )
        kinds_later = ProcessDefinitions()
        kinds_later.process("once")(once)
        with pytest.raises(PluginError, match="here is rerunnable") as changed:
            HostedProcesses(kinds_later).open(registered, scope, registry)
    assert changed.value.reason == "unknown_definition"
