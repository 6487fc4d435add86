"""One run of a process: how it ends, and how it is stopped without ending."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio

from lash_trio import (
    EffectCommand,
    EffectError,
    EffectErrorCode,
    JsonValue,
    LocalExecutor,
    MemoryProcessRegistry,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventAppendRequest,
    ProcessFailure,
    ProcessInput,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessProvenance,
    ProcessRecord,
    ProcessRegistration,
    StoreError,
    WorkerOptions,
)
from lash_trio.kernel import effect_envelope

from .support import (
    HookedRegistry,
    ManualClock,
    ask_to_cancel,
    check_nothing_left,
    end_of,
    jump,
    log,
    raising,
    register,
    result_of,
    row,
    send,
    settled,
    worker,
    working,
)


async def failure_of(registry: HookedRegistry, definitions: ProcessDefinitions) -> ProcessFailure:
    output = await end_of(registry, definitions, "p")
    assert isinstance(output, ProcessFailure)
    return output


async def test_a_process_ends_with_its_value_and_its_lease_is_back(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext, n: int) -> JsonValue:
        return {"n": n, "list": cast("Any", (1, 2))}

    assert await result_of(registry, definitions, p, n=1) == {"n": 1, "list": [1, 2]}
    assert await log(registry) == ["process.completed"]
    assert ("complete_process_lease", "p") not in registry.calls, "that took one transaction"


async def test_an_exception_ends_it_as_failed(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        raise LookupError("no such thing")

    output = await failure_of(registry, definitions)
    assert (output.failure_class, output.code) == ("execution", "process_failed")
    assert output.message == "no such thing"
    assert isinstance(output.raw, dict)
    assert output.raw["exception"] == "LookupError"
    assert 'raise LookupError("no such thing")' in str(output.raw["traceback"])


async def test_a_step_that_fails_ends_it_with_the_steps_code(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    async def fail() -> None:
        raise LookupError("no such thing")

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        await ctx.step("fail", fail)

    output = await failure_of(registry, definitions)
    assert output.code == "durable_step_failed"
    assert output.message == "step 'fail' failed with LookupError: no such thing"
    assert isinstance(output.raw, dict)
    assert "LookupError: no such thing" in str(output.raw["traceback"])


async def test_a_value_that_is_no_json_ends_it_as_failed(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> dict[str, object]:
        return {"when": object()}

    output = await failure_of(registry, definitions)
    assert output.code == "invalid_json"
    assert "process 'p': expected plain JSON data, got builtins.object" in output.message


async def test_an_exception_whose_text_is_no_unicode_ends_it(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        raise FileNotFoundError("caf\udce9")

    assert (await failure_of(registry, definitions)).message == r"caf\udce9"


async def test_an_exception_group_ends_it_as_failed(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        async def fail(number: int) -> None:
            raise ValueError(number)

        async with ctx.open_nursery() as nursery:
            nursery.start_soon(fail, 1)
            nursery.start_soon(fail, 2)

    output = await failure_of(registry, definitions)
    assert isinstance(output.raw, dict)
    assert output.raw["exception"] == "ExceptionGroup"
    assert "ValueError: 1" in str(output.raw["traceback"])
    assert "ValueError: 2" in str(output.raw["traceback"])


async def test_arguments_that_no_longer_fit_end_it_as_failed(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    """The row may be older than the function, or written by somebody else."""

    @definitions.process("p")
    async def p(ctx: ProcessContext, n: int) -> None: ...

    await registry.register_process(
        ProcessRegistration(
            id="p",
            input=ProcessInput.function("p", {"m": 1}),
            provenance=ProcessProvenance.host("tests"),
        )
    )
    async with working(worker(registry, definitions)):
        output = await registry.await_process("p")
    assert isinstance(output, ProcessFailure)
    assert output.code == "plugin"
    assert "takes the arguments n; got m" in output.message


async def test_the_function_gets_what_the_row_says(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext, a: JsonValue, b: JsonValue = "default") -> JsonValue:
        return [a, b]

    assert await result_of(registry, definitions, p, a={"x": [1]}) == [{"x": [1]}, "default"]


async def test_effects_that_are_still_running_are_waited_for(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    """Nothing outlives its scope; and while it waits it can be cancelled as ever."""

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        envelope = effect_envelope(ctx.scope.effect_scope, "k", EffectCommand.sleep(500_000))
        ctx.scope.start_effect(envelope, LocalExecutor.sleep())

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
        assert not (await row(registry)).is_terminal
        await ask_to_cancel(registry)
        output = await registry.await_process("p")
    # The function had returned before anybody asked: its value stands.
    assert output == ProcessAwaitOutput.success(None)
    assert trio.current_time() == 1


# --- signals that nobody waited for -----------------------------------------------


async def unconsumed(registry: MemoryProcessRegistry) -> JsonValue:
    (end,) = [e for e in await registry.events_after("p", 0) if e.semantics.terminal]
    assert isinstance(end.payload, dict)
    return end.payload.get("unconsumed_signals")


async def test_signals_that_nobody_waited_for_are_told(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go", "stop", "never"])
    async def p(ctx: ProcessContext) -> None:
        await ctx.wait_signal("go", ordinal=2)
        await ctx.wait_signal("go", ordinal=2)

    await register(registry, definitions, p)
    for event_type in ("signal.go", "signal.go", "signal.go", "signal.stop"):
        await send(registry, event_type)
    assert await result_of(registry, definitions, p) is None
    assert await unconsumed(registry) == {"go": 2, "stop": 1}


async def test_nothing_is_told_where_all_were_got(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        await ctx.wait_signal("go")
        raise ValueError

    await register(registry, definitions, p)
    await send(registry, "signal.go")
    await failure_of(registry, definitions)
    assert await unconsumed(registry) is None


# --- stopped from outside ---------------------------------------------------------


async def test_a_process_that_is_stopped_is_not_ended_and_another_worker_finishes_it(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    runs = 0

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        nonlocal runs
        runs += 1
        await trio.sleep(10)
        return runs

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
        assert registry.statistics().leases == 1
    assert await log(registry) == []
    assert registry.statistics().leases == 0, "it was given back, so nobody waits for its end"
    assert await result_of(registry, definitions, p) == 2
    assert trio.current_time() == 11


@pytest.mark.parametrize("in_nursery", [False, True])
async def test_what_cleaning_up_raises_does_not_end_a_stopped_process(
    registry: HookedRegistry, definitions: ProcessDefinitions, in_nursery: bool
) -> None:
    """Effects are refused then, and a ``finally`` block that asks for one raises."""
    refused: list[str] = []

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        async def work() -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(1)
                try:
                    await ctx.sleep(1)
                except EffectError as error:
                    refused.append(error.code)
                    raise

        if in_nursery:
            async with ctx.open_nursery() as nursery:
                nursery.start_soon(work)
                nursery.start_soon(trio.sleep_forever)
        else:
            await work()

    await register(registry, definitions, p)
    one = worker(registry, definitions)
    # It leaves no error behind either: the worker was stopped, and that is all.
    async with working(one):
        await trio.sleep(1)
    assert refused == [EffectErrorCode.SCOPE_CLOSED]
    assert await log(registry) == []
    assert one.statistics().running == 0


async def test_a_stop_while_the_end_is_written_does_not_lose_it(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> str:
        return "too good to lose"

    async def slow(process_id: str) -> None:
        await trio.sleep(2)

    registry.hooks["complete_leased_process"] = slow
    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
    assert await registry.await_process("p") == ProcessAwaitOutput.success("too good to lose")


# --- a lease that is lost ---------------------------------------------------------


async def test_a_long_process_keeps_its_lease(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        await ctx.sleep(200)
        return ctx.process_id

    await register(registry, definitions, p)
    options = WorkerOptions(lease_ttl_ms=3000, poll_seconds=1)
    async with working(*(worker(registry, definitions, options) for _ in range(2))):
        await trio.sleep(100)
        other = await _claim(registry)
        assert isinstance(other, PluginError)
        assert other.reason == PluginReason.LEASE_HELD
        assert await registry.await_process("p") == ProcessAwaitOutput.success("p")
    assert trio.current_time() == 200, "it ran once"


async def test_an_end_that_overtakes_a_renewal_is_no_lost_lease(
    definitions: ProcessDefinitions, caplog: pytest.LogCaptureFixture
) -> None:
    class Registry(HookedRegistry):
        """It takes a while until it has told that the end is written."""

        async def complete_leased_process(
            self, lease: ProcessLease, request: ProcessEventAppendRequest
        ) -> ProcessRecord:
            record = await super().complete_leased_process(lease, request)
            await trio.sleep(2)
            return record

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        await trio.sleep(9)

    registry = Registry()
    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await registry.await_process("p")
        await trio.sleep(5)
    assert caplog.messages == []
    assert [method for method, _ in registry.calls if method.startswith("complete")] == [
        "complete_leased_process"
    ]


async def _claim(registry: MemoryProcessRegistry) -> ProcessLease | PluginError:
    try:
        return await registry.claim_process_lease("p", "thief", 60_000)
    except PluginError as error:
        return error


async def test_a_process_whose_lease_was_taken_stops_and_writes_nothing(
    definitions: ProcessDefinitions,
) -> None:
    clock = ManualClock()
    registry = MemoryProcessRegistry(clock)
    stopped: list[float] = []

    @definitions.process("p", signals=["go"])
    async def p(ctx: ProcessContext) -> None:
        try:
            await ctx.wait_signal("go")
        finally:
            stopped.append(trio.current_time())

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
        clock.ms += 30_000
        stolen = await _claim(registry)
        assert isinstance(stolen, ProcessLease)
        await trio.sleep(19)
        assert stopped == [pytest.approx(10, abs=0.001)], "with the next renewal"
        assert await log(registry) == ["process.waiting"]
        assert (await row(registry)).wait is not None
        # The thief does with it what it likes.
        await registry.complete_process("p", ProcessAwaitOutput.success("stolen"))
    await registry.complete_process_lease(ProcessLeaseCompletion.of(stolen))
    check_nothing_left(registry)


async def test_a_process_that_ends_after_its_lease_was_taken_writes_nothing(
    definitions: ProcessDefinitions,
) -> None:
    """Nobody has noticed yet; the fence of the last write does."""
    clock = ManualClock()
    registry = MemoryProcessRegistry(clock)

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        await trio.sleep(2)

    await register(registry, definitions, p)
    one = worker(registry, definitions)
    async with working(one):
        await trio.sleep(1)
        clock.ms += 30_000
        stolen = await _claim(registry)
        assert isinstance(stolen, ProcessLease)
        await trio.sleep(4)
        assert await log(registry) == []
        assert "is leased to 'thief'" in one.statistics().left_alone["p"]
        await registry.complete_process_lease(ProcessLeaseCompletion.of(stolen))
        assert await registry.await_process("p") == ProcessAwaitOutput.success(None)
    check_nothing_left(registry)


async def test_a_stall_beyond_the_lease_stops_what_ran_and_it_is_run_anew(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    runs: list[str] = []

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        runs.append("begin")
        try:
            await trio.sleep(40)
        except trio.Cancelled:
            runs.append("stopped")
            raise
        return "done"

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await settled()
        jump(31)
        assert await registry.await_process("p") == ProcessAwaitOutput.success("done")
    assert runs == ["begin", "stopped", "begin"]
    assert await log(registry) == ["process.completed"]


# --- a registry that fails --------------------------------------------------------


@pytest.mark.parametrize("error", [StoreError("disk full"), OSError("disk full")])
async def test_an_end_that_cannot_be_written_is_tried_again_after_a_pause(
    registry: HookedRegistry, definitions: ProcessDefinitions, error: Exception
) -> None:
    begun: list[float] = []

    @definitions.process("p")
    async def p(ctx: ProcessContext) -> None:
        begun.append(trio.current_time())

    registry.hooks["complete_leased_process"] = raising(error, times=4)
    await register(registry, definitions, p)
    one = worker(registry, definitions, WorkerOptions(poll_seconds=0.5))
    async with working(one):
        await trio.sleep(0.6)
        assert one.statistics().left_alone["p"] == (
            f"its last run broke off ({error}); it is tried again in 0.4 s"
        )
        assert registry.statistics().leases == 0
        await registry.await_process("p")
        assert one.statistics().left_alone == {}
    assert begun == [0, 1, 3, 7, 15], "a second, and twice as long each time"


async def test_an_end_that_hangs_is_given_up(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        return trio.current_time()

    async def hang(process_id: str) -> None:
        del registry.hooks["complete_leased_process"]
        await trio.sleep_forever()

    registry.hooks["complete_leased_process"] = hang
    assert 6 <= float(str(await result_of(registry, definitions, p))) <= 6.5


async def test_a_process_that_somebody_else_ended_is_left_to_that(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p")
    async def p(ctx: ProcessContext) -> str:
        await trio.sleep(5)
        return "mine"

    await register(registry, definitions, p)
    one = worker(registry, definitions)
    async with working(one):
        await trio.sleep(1)
        await registry.complete_process("p", ProcessAwaitOutput.success("theirs"))
        await trio.sleep(10)
        assert one.statistics().left_alone == {}
        assert one.statistics().running == 0
    assert await log(registry) == ["process.completed"]
    assert await registry.await_process("p") == ProcessAwaitOutput.success("theirs")


# --- owner-bound processes --------------------------------------------------------


async def test_an_owner_bound_process_runs_once(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    runs = 0

    @definitions.process("p", rerun="owner_bound")
    async def p(ctx: ProcessContext) -> int:
        nonlocal runs
        runs += 1
        await trio.sleep(2)
        return runs

    await register(registry, definitions, p)
    async with working(worker(registry, definitions)):
        await trio.sleep(1)
    output = await failure_of(registry, definitions)
    assert output.code == "process_abandoned"
    assert "its owner is gone, and 'p' is owner_bound" in output.message
    assert runs == 1


async def test_an_owner_bound_process_completes_under_its_owner(
    registry: HookedRegistry, definitions: ProcessDefinitions
) -> None:
    @definitions.process("p", rerun="owner_bound")
    async def p(ctx: ProcessContext) -> str:
        await ctx.sleep(100)
        return "whole"

    assert await result_of(registry, definitions, p) == "whole"
