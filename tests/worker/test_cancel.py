"""A cancel request: what the function sees, and that the process ends as cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import given, strategies as st

from lash_trio import (
    EffectError,
    EffectErrorCode,
    JsonValue,
    MemoryProcessRegistry,
    ProcessAwaitOutput,
    ProcessCancellation,
    ProcessContext,
    ProcessDefinitions,
    WorkerOptions,
)

from .support import (
    HookedRegistry,
    ask_to_cancel,
    check_nothing_left,
    log,
    register,
    row,
    run_in_virtual_time,
    send,
    worker,
    working,
)

REQUESTED, CANCELLED = "process.cancel_requested", "process.cancelled"


async def cancelled_after(
    registry: MemoryProcessRegistry,
    definitions: ProcessDefinitions,
    seconds: float,
    reason: str | None = "enough",
) -> ProcessCancellation:
    """Run ``p``, ask it to end after a time; returns how it ended as cancelled."""
    await register(registry, definitions, "p")
    async with working(worker(registry, definitions)):
        await trio.sleep(seconds)
        await ask_to_cancel(registry, reason)
        output = await registry.await_process("p")
    assert isinstance(output, ProcessCancellation)
    terminal = [e for e in await registry.events_after("p", 0) if e.semantics.terminal]
    assert [e.event_type for e in terminal] == [CANCELLED]
    return output


Effect = Callable[[ProcessContext], Awaitable[object]]


async def nap() -> None:
    await trio.sleep(1000)


EFFECTS: dict[str, tuple[Effect, EffectErrorCode]] = {
    "sleep": (lambda ctx: ctx.sleep(1000), EffectErrorCode.SLEEP_CANCELLED),
    "signal": (lambda ctx: ctx.wait_signal("go"), EffectErrorCode.AWAIT_EVENT_CANCELLED),
    "event": (
        lambda ctx: ctx.wait_event("p", "signal.go", 1),
        EffectErrorCode.AWAIT_EVENT_CANCELLED,
    ),
    "process": (lambda ctx: ctx.await_process("p"), EffectErrorCode.AWAIT_EVENT_CANCELLED),
    "step": (lambda ctx: ctx.step("nap", nap), EffectErrorCode.CANCELLED),
}


@pytest.mark.parametrize("name", EFFECTS)
async def test_the_reason_arrives_in_the_error_of_the_effect(
    registry: HookedRegistry, definitions: ProcessDefinitions, name: str
) -> None:
    effect, code = EFFECTS[name]
    errors: list[EffectError] = []

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        try:
            await effect(ctx)
        except EffectError as error:
            errors.append(error)
            raise

    output = await cancelled_after(registry, definitions, 1)
    (error,) = errors
    assert error.code == code
    assert "enough" in error.message
    assert output.message == "enough"
    assert output.raw == {"error": f"EffectError: {error}"}
    assert trio.current_time() == 1, "effects hear of it at once"


@pytest.mark.parametrize("reason", [None, ""])
async def test_a_request_needs_no_reason(
    registry: HookedRegistry, definitions: ProcessDefinitions, reason: str | None
) -> None:
    errors: list[str] = []

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        try:
            await ctx.sleep(1000)
        except EffectError as error:
            errors.append(error.message)

    output = await cancelled_after(registry, definitions, 1, reason)
    assert output.message == "cancelled; no reason was given"
    assert "no reason was given" in errors[0]


async def test_effects_after_the_request_fail_at_once(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    codes: list[str] = []

    async def never() -> None:
        raise AssertionError("it must not run")

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        for effect in (
            lambda: ctx.sleep(1000),
            lambda: ctx.step("never", never),
            lambda: ctx.wait_signal("go"),
            lambda: ctx.start("p"),
        ):
            try:
                await effect()
            except EffectError as error:
                codes.append(error.code)

    await cancelled_after(registry, definitions, 1)
    assert codes == [
        "runtime_effect_sleep_cancelled",
        "runtime_effect_cancelled",
        "runtime_effect_await_event_cancelled",
        "runtime_effect_cancelled",
    ]
    assert registry.statistics().processes == 1


@pytest.mark.parametrize(
    ("made_of_it", "raw"),
    [
        ("swallow", None),
        ("value", {"half": "done"}),
        ("no json", "a object that is no JSON"),
        ("another error", {"error": "KeyError: 'other'"}),
    ],
)
async def test_it_ends_as_cancelled_whatever_the_function_makes_of_it(
    registry: HookedRegistry, definitions: ProcessDefinitions, made_of_it: str, raw: JsonValue
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> dict[str, object] | None:
        try:
            await ctx.sleep(1000)
        except EffectError:
            match made_of_it:
                case "value":
                    return {"half": "done"}
                case "no json":
                    return object()  # type: ignore[return-value]
                case "another error":
                    raise KeyError("other") from None
                case _:
                    return None
        return None

    output = await cancelled_after(registry, definitions, 1)
    assert (output.message, output.raw) == ("enough", raw)


@pytest.mark.parametrize("swallows", [False, True])
async def test_what_awaits_no_effect_is_cancelled_after_the_grace(
    registry: HookedRegistry, definitions: ProcessDefinitions, swallows: bool
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> str:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            assert trio.current_time() == 8
            if not swallows:
                raise
        return "swallowed"

    await register(registry, definitions, p)
    options = WorkerOptions(cancel_grace_seconds=7)
    async with working(worker(registry, definitions, options)):
        await trio.sleep(1)
        await ask_to_cancel(registry)
        output = await registry.await_process("p")
    assert output == ProcessAwaitOutput.cancelled("enough", "swallowed" if swallows else None)
    assert trio.current_time() == 8


async def test_errors_of_tasks_that_are_cut_off_after_the_grace_are_told(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        async def clean_up_badly() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise KeyError("handle")

        async with ctx.open_nursery() as nursery:
            nursery.start_soon(clean_up_badly)
            nursery.start_soon(trio.sleep_forever)

    output = await cancelled_after(registry, definitions, 1)
    assert output.raw == {"error": "ExceptionGroup: Exceptions from Trio nursery (1 sub-exception)"}


async def test_a_process_that_ends_within_the_grace_is_not_cut_off(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> str:
        await trio.sleep(5)
        return "cleaned up"

    output = await cancelled_after(registry, definitions, 1)
    assert output.raw == "cleaned up"
    assert trio.current_time() == 5


async def test_the_first_reason_stays(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        try:
            await ctx.sleep(1000)
        except EffectError:
            await trio.sleep(3)

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
        await ask_to_cancel(registry, "first")
        await trio.sleep(1)
        await ask_to_cancel(registry, "second")
        output = await registry.await_process("p")
    assert output == ProcessAwaitOutput.cancelled("first")


# --- before, between and after its runs -------------------------------------------


async def test_a_process_that_never_ran_does_not_run(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    ran = False

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        nonlocal ran
        ran = True

    await register(registry, definitions, p)
    await send(registry, "signal.go")
    await ask_to_cancel(registry, "changed my mind")
    async with working(worker(registry, definitions)):
        output = await registry.await_process("p")
    assert output == ProcessAwaitOutput.cancelled("changed my mind")
    assert not ran
    (end,) = [e for e in await registry.events_after("p", 0) if e.semantics.terminal]
    assert isinstance(end.payload, dict)
    assert end.payload["unconsumed_signals"] == {"go": 1}


async def test_a_process_that_ran_before_gets_to_clean_up(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    """The request was made while nobody ran it; its new run is cancelled from the start."""
    seen: list[str] = []

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        seen.append("begin")
        try:
            await ctx.sleep(1000)
        except EffectError as error:
            seen.append(error.code)
            raise

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
    await ask_to_cancel(registry, "while it was away")
    async with working(worker(registry, definitions)):
        output = await registry.await_process("p")
    assert isinstance(output, ProcessCancellation)
    assert output.message == "while it was away"
    assert seen == ["begin", "begin", "runtime_effect_sleep_cancelled"]


async def test_a_request_outlives_a_worker_that_stops_in_the_grace(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        await trio.sleep_forever()

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
        await ask_to_cancel(registry)
        await trio.sleep(1)
    assert await log(registry) == [REQUESTED]
    async with working(worker(registry, definitions)):
        output = await registry.await_process("p")
    assert output == ProcessAwaitOutput.cancelled("enough")


async def test_a_parked_process_is_cancelled_though_all_slots_are_taken(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("busy")
    async def busy(ctx: ProcessContext) -> None:
        await trio.sleep(1000)

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        await ctx.wait_signal("go")

    await register(registry, definitions, p)
    async with working(worker(registry, definitions, WorkerOptions(max_running=1))):
        await trio.sleep(1)
        await register(registry, definitions, busy, "busy")
        await trio.sleep(1)
        await ask_to_cancel(registry)
        assert (await registry.await_process("p")).tag == "cancelled"
        assert trio.current_time() == 2


async def test_a_process_that_waits_for_a_slot_is_cancelled(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    """Its event has come, and what has come is not taken away again."""

    @definitions.process("busy")
    async def busy(ctx: ProcessContext) -> None:
        await trio.sleep(1000)

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> JsonValue:
        got = await ctx.wait_signal("go")
        try:
            await ctx.sleep(1)
        except EffectError:
            return ["got", got]
        return "not cancelled"

    await register(registry, definitions, p)
    one = worker(registry, definitions, WorkerOptions(max_running=1))
    async with working(one):
        await trio.sleep(1)
        await register(registry, definitions, busy, "busy")
        await trio.sleep(1)
        await send(registry, "signal.go", 1)
        await trio.sleep(1)
        assert one.statistics().queued == 1
        await ask_to_cancel(registry)
        output = await registry.await_process("p")
        assert trio.current_time() == 3
    assert output == ProcessAwaitOutput.cancelled("enough", ["got", 1])


async def test_a_request_after_the_end_changes_nothing(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> str:
        return "done"

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await registry.await_process("p")
        await ask_to_cancel(registry)
        await trio.sleep(1)
    assert await registry.await_process("p") == ProcessAwaitOutput.success("done")
    assert await log(registry) == ["process.completed", REQUESTED]


@given(checkpoints=st.integers(0, 25), schedule=st.random_module())
def test_a_request_at_the_moment_of_the_end_makes_one_end(
    checkpoints: int, schedule: object
) -> None:
    definitions = ProcessDefinitions()

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> str:
        await ctx.wait_signal("go")
        return "done"

    async def main() -> str:
        registry = MemoryProcessRegistry()
        await register(registry, definitions, p)
        async with working(worker(registry, definitions)):
            await trio.sleep(1)
            await send(registry, "signal.go")
            for _ in range(checkpoints):
                await trio.lowlevel.checkpoint()
            await ask_to_cancel(registry)
            output = await registry.await_process("p")
            await trio.sleep(10)
        terminal = [e for e in await registry.events_after("p", 0) if e.semantics.terminal]
        assert len(terminal) == 1
        assert (await row(registry)).status.await_output == output
        check_nothing_left(registry)
        return output.tag

    tag = run_in_virtual_time(main)
    assert tag in ("success", "cancelled")
    if checkpoints == 0:
        assert tag == "cancelled"
    if checkpoints == 25:
        assert tag == "success"
