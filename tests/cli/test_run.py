"""One run of one process, on the mock clock."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock

from lash_trio import (
    EffectError,
    JsonValue,
    ProcessAwaitOutput,
    ProcessCancellation,
    ProcessContext,
    ProcessDefinitions,
    ProcessFailure,
    ProcessSuccess,
    WorkerOptions,
)
from lash_trio.cli._run import BadRequestError, RunRequest, SingleRun
from tests.cli.support import Shown

definitions = ProcessDefinitions()


async def double(number: int) -> JsonValue:
    await trio.sleep(number)
    return 2 * number


@definitions.process("steps")
async def steps(ctx: ProcessContext, n: int) -> JsonValue:
    return [await ctx.step("double", double, number) for number in range(1, n + 1)]


@definitions.process("signals", signals={"go": {"type": "object"}, "stop": {}})
async def signals(ctx: ProcessContext, ordinals: list[int]) -> JsonValue:
    return [await ctx.wait_signal("go", ordinal=ordinal) for ordinal in ordinals]


@definitions.process("parent")
async def parent(ctx: ProcessContext, child: str, seconds: float, wait: bool) -> JsonValue:
    started = await ctx.start(child, {"seconds": seconds})
    await ctx.sleep(1)
    return [started.id, await started.result() if wait else None]


@definitions.process("sleeper")
async def sleeper(ctx: ProcessContext, seconds: float) -> JsonValue:
    await ctx.sleep(seconds)
    return seconds


@definitions.process("busy")
async def busy(ctx: ProcessContext, seconds: float) -> JsonValue:
    return await ctx.step("busy", double, int(seconds))


@definitions.process("stubborn")
async def stubborn(ctx: ProcessContext, seconds: float) -> JsonValue:
    try:
        await ctx.sleep(math.inf if seconds < 0 else 10_000)
    except EffectError:
        with trio.CancelScope(shield=True):
            await trio.sleep(seconds)
    return "cleaned up"


@definitions.process("fails")
async def fails(ctx: ProcessContext) -> JsonValue:
    raise ValueError("no good")


@definitions.process("not_json")
async def not_json(ctx: ProcessContext) -> dict[str, object]:
    return {"what": object()}


@definitions.process("failing_parent")
async def failing_parent(ctx: ProcessContext, seconds: float, children: int) -> JsonValue:
    for _ in range(children):
        await ctx.start(stubborn, {"seconds": 3})
    if seconds:
        await ctx.sleep(seconds)
    raise ValueError("no good")


def single(shown: Shown, process: str, **args: JsonValue) -> SingleRun:
    return SingleRun(
        RunRequest(definitions=definitions, process=process, args=args, process_id="p1"), shown
    )


async def run(shown: Shown, process: str, **args: JsonValue) -> ProcessAwaitOutput | None:
    one = single(shown, process, **args)
    await one.register()
    with shown.showing():
        return await one.run()


async def test_a_process_runs_to_its_end(shown: Shown, autojump_clock: MockClock) -> None:
    assert await run(shown, "steps", n=3) == ProcessSuccess(value=[2, 4, 6])
    assert shown.lines[0] == "p1: starts"
    assert shown.lines[-1] == "p1: completed"
    (row,) = shown.board.rows
    assert (row.steps_done, row.state) == (3, "completed")


async def test_steps_are_shown_on_demand(shown: Shown, autojump_clock: MockClock) -> None:
    one = SingleRun(
        RunRequest(
            definitions=definitions,
            process="steps",
            args={"n": 2},
            process_id="p1",
            shows_steps=True,
        ),
        shown,
    )
    await one.register()
    await one.run()
    assert "p1: step double#1 done after 1.000 s" in shown.lines
    assert "p1: step double#2 done after 2.000 s" in shown.lines


async def test_steps_are_counted_and_not_shown_otherwise(
    shown: Shown, autojump_clock: MockClock
) -> None:
    await run(shown, "steps", n=2)
    assert not [line for line in shown.lines if "double" in line]


async def test_signals_are_there_when_the_process_begins(
    shown: Shown, autojump_clock: MockClock
) -> None:
    request = RunRequest(
        definitions=definitions,
        process="signals",
        args={"ordinals": [2, 1]},
        process_id="p1",
        signals=(("go", {"n": 1}), ("go", {"n": 2})),
    )
    one = SingleRun(request, shown)
    await one.register()
    assert await one.run() == ProcessSuccess(value=[{"n": 2}, {"n": 1}])
    assert shown.lines[:3] == [
        "p1: starts",
        'p1: gets the signal go {"n":1}',
        'p1: gets the signal go {"n":2}',
    ]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (RunRequest(definitions=definitions, process="steps", args={}), "takes the arguments n"),
        (RunRequest(definitions=definitions, process="steps", args={"m": 1}), "got m"),
        (RunRequest(definitions=definitions, process="other", args={}), "process definition"),
        (RunRequest(definitions=definitions, process="fails", args={}, process_id=" "), "id"),
        (
            RunRequest(definitions=definitions, process="fails", args={}, signals=(("no", None),)),
            "signal.no",
        ),
        (
            RunRequest(
                definitions=definitions,
                process="signals",
                args={"ordinals": []},
                signals=(("go", 1),),
            ),
            "signal.go",
        ),
    ],
)
async def test_what_cannot_be_started_is_refused_before_it_runs(
    request_: RunRequest, words: str, shown: Shown
) -> None:
    with pytest.raises(BadRequestError, match=words):
        await SingleRun(request_, shown).register()
    assert shown.text == ""


async def test_ids_differ_where_none_is_given(shown: Shown) -> None:
    request = RunRequest(definitions=definitions, process="fails", args={})
    ids = {SingleRun(request, shown).process_id for _ in range(10)}
    assert len(ids) == 10
    assert all(each.startswith("fails-") for each in ids)


async def test_a_failure(shown: Shown, autojump_clock: MockClock) -> None:
    output = await run(shown, "fails")
    assert isinstance(output, ProcessFailure)
    assert output.message == "no good"
    assert shown.lines[-1] == "p1: failed (execution, process_failed): no good"


async def test_a_result_that_is_no_json_is_a_failure(
    shown: Shown, autojump_clock: MockClock
) -> None:
    output = await run(shown, "not_json")
    assert isinstance(output, ProcessFailure)
    assert output.code == "invalid_json"


async def test_children_are_followed(shown: Shown, autojump_clock: MockClock) -> None:
    output = await run(shown, "parent", child="sleeper", seconds=2, wait=True)
    assert output == ProcessSuccess(value=["p1/start:sleeper#1", 2])
    for line in ("starts", "sleeps for 2 s", "goes on", "completed"):
        assert f"p1/start:sleeper#1: {line}" in shown.lines


async def test_a_child_that_runs_may_end_in_the_drain(
    shown: Shown, autojump_clock: MockClock
) -> None:
    await run(shown, "parent", child="busy", seconds=5, wait=False)
    assert shown.lines.index("p1: completed") < shown.lines.index("p1/start:busy#1: completed")


async def test_a_child_that_is_left_behind_is_told_of(
    shown: Shown, autojump_clock: MockClock
) -> None:
    assert isinstance(
        await run(shown, "parent", child="sleeper", seconds=9, wait=False), ProcessSuccess
    )
    assert shown.lines[-1] == (
        "p1/start:sleeper#1: has not ended (sleeps for 9 s), and is gone with this command"
    )


async def test_children_of_a_failed_process_may_clean_up(
    shown: Shown, autojump_clock: MockClock
) -> None:
    assert isinstance(await run(shown, "failing_parent", seconds=1, children=1), ProcessFailure)
    assert shown.lines[-1].startswith("p1/start:stubborn#1: was cancelled: its parent 'p1'")


async def test_children_of_a_failed_process_end_also_where_they_never_began(
    shown: Shown, autojump_clock: MockClock
) -> None:
    request = RunRequest(
        definitions=definitions,
        process="failing_parent",
        args={"seconds": 0, "children": 3},
        process_id="p1",
        worker=WorkerOptions(max_running=1),
    )
    one = SingleRun(request, shown)
    await one.register()
    await one.run()
    for number in (1, 2, 3):
        ended = f"p1/start:stubborn#{number}: was cancelled: its parent 'p1' ended as failed"
        assert ended in shown.lines


async def test_asked_to_end_it_ends_as_cancelled(shown: Shown, autojump_clock: MockClock) -> None:
    one = single(shown, "stubborn", seconds=3)
    await one.register()
    outputs: list[ProcessAwaitOutput | None] = []
    with shown.showing():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, one, outputs)
            await trio.sleep(1)
            await one.ask_to_end("had enough")
    assert outputs == [ProcessCancellation(message="had enough", raw="cleaned up")]
    asked, ended = shown.lines.index("p1: is asked to end: had enough"), len(shown.lines) - 1
    assert asked < ended
    assert shown.lines[ended] == "p1: was cancelled: had enough"
    assert shown.board.seconds() == pytest.approx(4, abs=0.1)


async def test_stopped_it_does_not_end(shown: Shown, autojump_clock: MockClock) -> None:
    one = single(shown, "sleeper", seconds=100)
    await one.register()
    outputs: list[ProcessAwaitOutput | None] = []
    with shown.showing():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, one, outputs)
            await trio.sleep(1)
            one.stop()
    assert outputs == [None]
    assert shown.board.seconds() == pytest.approx(1, abs=0.1)


async def test_a_result_is_not_lost_when_the_drain_is_cut_short(
    shown: Shown, autojump_clock: MockClock
) -> None:
    one = single(shown, "parent", child="busy", seconds=8, wait=False)
    await one.register()
    outputs: list[ProcessAwaitOutput | None] = []
    with shown.showing():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, one, outputs)
            await trio.sleep(2)
            await one.ask_to_end("in the drain")
    assert outputs == [ProcessSuccess(value=["p1/start:busy#1", None])]
    assert shown.board.seconds() == pytest.approx(2, abs=0.1)


async def test_the_number_of_running_processes_is_limited(
    shown: Shown, autojump_clock: MockClock
) -> None:
    request = RunRequest(
        definitions=definitions,
        process="parent",
        args={"child": "busy", "seconds": 1, "wait": True},
        worker=WorkerOptions(max_running=1),
    )
    one = SingleRun(request, shown)
    await one.register()
    # The parent waits for its child, and gives its slot to it.
    assert isinstance(await one.run(), ProcessSuccess)


async def collect(one: SingleRun, outputs: list[ProcessAwaitOutput | None]) -> None:
    outputs.append(await one.run())
