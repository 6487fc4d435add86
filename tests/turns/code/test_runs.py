"""Code that does what it should."""

from __future__ import annotations

from datetime import date

import pytest
import trio
from trio.testing import MockClock

from lash_trio import (
    CodeOutput,
    EffectError,
    JsonValue,
    ToolCallOutput,
    ToolCallRecord,
    ToolFailed,
    ToolFailureClass,
    ToolSuccess,
    TurnStreamEvent,
    canonical_json,
)
from lash_trio.turns.code import CodeSandbox

from .support import TIGHT, Watch, run, sandboxes


async def double(x: int, *, plus: int = 0) -> int:
    await trio.lowlevel.checkpoint()
    return 2 * x + plus


@pytest.mark.parametrize(
    ("code", "value", "observations"),
    [
        ("x = 1", None, ()),
        ("1 + 1", 2, ("2",)),
        ("'text'", "text", ("text",)),
        ("None", None, ()),
        ("{'a': [1, 2.5, None, True], 3: (4, {5})}", {"a": [1, 2.5, None, True], "3": [4, [5]]}, 0),
        ("import datetime\ndatetime.date(2030, 1, 2)", "2030-01-02", ("2030-01-02",)),
        ("print('a')\nprint('b')\n'c'", "c", ("a\nb\n", "c")),
        ("2**200", 2**200, (str(2**200),)),
    ],
)
async def test_what_comes_of_code(code: str, value: JsonValue, observations: object) -> None:
    response = await run(code)
    assert response.error is None
    assert response.terminal_finish == value
    assert observations in {0, response.observations}
    canonical_json(response.terminal_finish)


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("class Thing: pass\nThing()", "of type Thing cannot leave"),
        ("float('nan')", "must be finite"),
        ("b'bytes'", "of type bytes"),
        ("{(1, 2): 3}", "keys must be text"),
        ("10**5000", "too long"),
        ("x = []\nfor i in range(500): x = [x]\nx", "deep"),
        ("'x' * 20_000", "larger than 10000 bytes"),
    ],
)
async def test_a_value_that_is_no_json_is_left_out(code: str, what: str) -> None:
    response = await run(code)
    assert response.error is None
    assert response.terminal_finish is None
    [observation] = response.observations
    assert what in observation


async def test_printed_text_is_told_as_it_comes() -> None:
    told = trio.Event()
    watch = Watch()

    class Tell(Watch):
        async def send(self, event: TurnStreamEvent) -> None:
            await watch.send(event)
            told.set()

    async def wait() -> None:
        # The code is not at its end: it waits for this call.
        await told.wait()

    with trio.fail_after(5):
        response = await CodeSandbox(TIGHT).run(
            "print('before', end='')\nwait()\nprint('after')", tools={"wait": wait}, events=Tell()
        )
    assert watch.events == [CodeOutput(text="before"), CodeOutput(text="after\n")]
    assert response.observations == ("before", "after\n")


@pytest.mark.parametrize(
    "code", ["double(3, plus=1)", "await double(3, plus=1)", "f = double\nf(3, plus=1)"]
)
async def test_a_tool_is_called_and_recorded(code: str, autojump_clock: MockClock) -> None:
    async def slow(x: int, *, plus: int = 0) -> int:
        await trio.sleep(1.5)
        return await double(x, plus=plus)

    response = await run(code, double=slow)
    assert response.terminal_finish == 7
    assert response.tool_calls == (
        ToolCallRecord(
            tool="double",
            args={"x": 3, "plus": 1},
            output=ToolCallOutput(outcome=ToolSuccess(value=7)),
            duration_ms=1500,
        ),
    )
    assert response.duration_ms == 1500


async def test_tools_are_called_in_the_order_of_the_code() -> None:
    seen: list[int] = []

    async def note(x: int) -> int:
        await trio.lowlevel.checkpoint()
        seen.append(x)
        return x + 1

    response = await run("x = 0\nfor _ in range(4): x = note(x)\nx", note=note)
    assert seen == [0, 1, 2, 3]
    assert response.terminal_finish == 4


async def test_what_a_tool_raises_is_raised_in_the_code() -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError("no such city")

    response = await run("try:\n  fail()\nexcept RuntimeError as e:\n  print(e)\n5", fail=fail)
    assert response.error is None
    assert response.observations == ("fail(): no such city\n", "5")
    [record] = response.tool_calls
    assert isinstance(record.output.outcome, ToolFailed)
    assert record.output.outcome.failure.failure_class is ToolFailureClass.EXECUTION
    assert record.output.outcome.failure.message == "no such city"

    response = await run("fail()", fail=fail)
    assert response.error is not None
    assert "RuntimeError: fail(): no such city" in response.error


async def test_what_the_kernel_raises_is_not_for_the_code() -> None:
    async def closed() -> None:
        await trio.lowlevel.checkpoint()
        raise EffectError("effect_scope_closed", "gone")

    with pytest.raises(EffectError) as caught:
        await run("try:\n  closed()\nexcept BaseException:\n  pass", closed=closed)
    assert caught.value.code == "effect_scope_closed"
    assert not list(sandboxes())


@pytest.mark.parametrize(
    "call",
    [
        "double()",
        "double(1, 2)",
        "double(x=1, y=2)",
        "double(float('inf'))",
        "double(b'x')",
        "double('x' * 20_000)",
        "double(10**5000)",
    ],
)
async def test_arguments_that_a_tool_cannot_take(call: str) -> None:
    code = f"try:\n  {call}\nexcept TypeError as e:\n  print(e)\n7"
    response = await run(code, double=double)
    assert response.error is None
    assert response.observations[0].startswith("double(): ")
    [record] = response.tool_calls
    assert isinstance(record.output.outcome, ToolFailed)
    assert record.output.outcome.failure.failure_class is ToolFailureClass.INVALID_REQUEST


async def test_a_tool_that_returns_no_json() -> None:
    async def today() -> date:
        await trio.lowlevel.checkpoint()
        return date(2030, 1, 1)

    response = await run("today()", today=today)
    assert response.error is not None
    assert "RuntimeError: today(): it returned no JSON" in response.error


@pytest.mark.parametrize(
    "sleep", ["import time\ntime.sleep(3)", "import asyncio\nawait asyncio.sleep(3)"]
)
async def test_sleeping_is_ours(autojump_clock: MockClock, sleep: str) -> None:
    response = await run(f"{sleep}\n'slept'")
    assert response.terminal_finish == "slept"
    assert response.duration_ms == 3000


@pytest.mark.parametrize(
    "code", ["1 / 0", "def f(:", "raise ValueError('x')", "undefined", "foo(1)"]
)
async def test_an_error_of_the_code_is_shown_where_it_is(code: str) -> None:
    response = await run(f"print('so far')\n{code}")
    assert response.error is not None
    assert "line 2" in response.error
    assert response.observations == (() if "SyntaxError" in response.error else ("so far\n",))


async def test_runs_know_nothing_of_each_other() -> None:
    sandbox = CodeSandbox(TIGHT)
    await sandbox.run("x = 1", tools={}, events=Watch())
    response = await sandbox.run("x", tools={}, events=Watch())
    assert "NameError" in (response.error or "")


async def test_runs_side_by_side_under_a_limit() -> None:
    running = most = 0

    async def tool() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(0.01)
        running -= 1

    # A run that waits for a tool holds no thread.
    sandbox = CodeSandbox(TIGHT, limiter=trio.CapacityLimiter(1))
    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(run_one, sandbox, tool)
    assert most > 1


async def run_one(sandbox: CodeSandbox, tool: object) -> None:
    response = await sandbox.run("tool()\n1", tools={"tool": tool}, events=Watch())  # type: ignore[dict-item]
    assert response.terminal_finish == 1
