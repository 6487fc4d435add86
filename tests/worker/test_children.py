"""Processes that start, signal, await and cancel other processes."""

from __future__ import annotations

import pytest
import trio

from lash_trio import (
    EffectCausalRef,
    FunctionInput,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessCancellation,
    ProcessCancelledError,
    ProcessCausalRef,
    ProcessContext,
    ProcessDefinitions,
    ProcessFailedError,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessProvenance,
    SessionScope,
    StartRequest,
    WorkerOptions,
)

from .support import (
    HookedRegistry,
    ask_to_cancel,
    end_of,
    log,
    register,
    result_of,
    row,
    worker,
    working,
)


@pytest.fixture
def family(definitions: ProcessDefinitions) -> ProcessDefinitions:
    """Definitions with some children."""

    @definitions.process("double")
    async def double(ctx: ProcessContext, n: int) -> int:
        await ctx.sleep(1)
        return 2 * n

    @definitions.process("fail")
    async def fail(ctx: ProcessContext) -> None:
        raise ValueError("broken")

    @definitions.process("listen", signals=["go"])
    async def listen(ctx: ProcessContext) -> JsonValue:
        return await ctx.wait_signal("go")

    return definitions


async def test_a_child_is_started_and_awaited(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        child = await ctx.start("double", {"n": 21})
        assert repr(child) == "<child process 'p/start:double#1'>"
        assert list(ctx.children) == [child.id]
        output = await child.output()
        assert list(ctx.children) == []
        assert output == ProcessAwaitOutput.success(42)
        return await child.result()

    assert await result_of(registry, family, p) == 42
    child = await row(registry, "p/start:double#1")
    assert child.input == FunctionInput(name="double", args={"n": 21})


async def test_a_child_comes_from_where_its_parent_comes_from(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> None:
        await (await ctx.start("double", {"n": 1})).result()
        await (await ctx.start("double", {"n": 1}, detached=True)).result()

    session = SessionScope(session_id="s1")
    start = StartRequest(
        id="p", provenance=ProcessProvenance.session(session, "profile-7"), wake_target=session
    )
    await registry.register_process(family.registration(p, {}, start))
    async with working(worker(registry, family)):
        await registry.await_process("p")
    child, detached = (
        await row(registry, "p/start:double#1"),
        await row(registry, "p/start:double#2"),
    )
    for record in (child, detached):
        assert record.provenance.originator == start.provenance.originator
        assert record.provenance.host_profile_id == "profile-7"
        assert record.wake_target == session
    assert child.provenance.caused_by == ProcessCausalRef(process_id="p")
    assert detached.provenance.caused_by == EffectCausalRef(
        session_id="p", effect_id="start:double#2"
    )


async def test_ids_of_children_follow_from_place_and_occurrence(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        ids: list[JsonValue] = []

        async def start() -> None:
            child = await ctx.start("double", {"n": 1})
            ids.append(child.id)
            await child.output()

        await start()
        await start()
        async with ctx.open_nursery() as nursery:
            nursery.start_soon(start)
            nursery.start_soon(start)
        return ids

    ids = await result_of(registry, family, p)
    assert isinstance(ids, list)
    assert sorted(map(str, ids)) == [
        "p/nursery#1.1/start:double#1",
        "p/nursery#1.2/start:double#1",
        "p/start:double#1",
        "p/start:double#2",
    ]


async def test_a_rerun_finds_its_child(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    runs = 0

    @family.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        nonlocal runs
        runs += 1
        child = await ctx.start("double", {"n": 3})
        if runs == 1:
            await trio.sleep_forever()
        return await child.result()

    await register(registry, family, p)
    async with working(worker(registry, family)):
        await trio.sleep(2)
    assert await result_of(registry, family, p) == 6
    assert registry.statistics().processes == 2
    assert (await log(registry, "p/start:double#1")).count("process.completed") == 1


async def test_a_rerun_that_starts_something_else_there_is_refused(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    runs = 0

    @family.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        nonlocal runs
        runs += 1
        if runs == 1:
            await ctx.start("double", {"n": runs})
            await trio.sleep_forever()
        with pytest.raises(PluginError) as refused:
            await ctx.start("double", {"n": runs})
        return refused.value.reason

    await register(registry, family, p)
    async with working(worker(registry, family)):
        await trio.sleep(2)
    assert await result_of(registry, family, p) == PluginReason.REGISTRATION_CONFLICT


@pytest.mark.parametrize(
    ("definition", "args", "reason"),
    [
        ("triple", {"n": 1}, PluginReason.UNKNOWN_DEFINITION),
        ("double", {}, PluginReason.INVALID_ARGUMENTS),
        ("double", {"m": 1}, PluginReason.INVALID_ARGUMENTS),
    ],
)
async def test_a_child_that_could_not_run_is_not_started(
    registry: HookedRegistry,
    family: ProcessDefinitions,
    definition: str,
    args: dict[str, JsonValue],
    reason: str,
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        with pytest.raises(PluginError) as refused:
            await ctx.start(definition, args)
        assert ctx.children == ()
        return refused.value.reason

    assert await result_of(registry, family, p) == reason
    assert registry.statistics().processes == 1


async def test_a_parent_that_waits_for_its_child_holds_no_slot(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("tower")
    async def tower(ctx: ProcessContext, height: int) -> JsonValue:
        if height == 0:
            return 0
        below = await (await ctx.start("tower", {"height": height - 1})).result()
        assert isinstance(below, int)
        return below + 1

    await register(registry, family, tower, height=5)
    one = worker(registry, family, WorkerOptions(max_running=1))
    async with working(one):
        assert await registry.await_process("p") == ProcessAwaitOutput.success(5)
    assert trio.current_time() == 0, "and a start is found without a poll"


# --- how children end ------------------------------------------------------------


async def test_the_value_of_a_child_that_has_none_is_an_error(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        failed = await ctx.start("fail")
        with pytest.raises(ProcessFailedError) as failure:
            await failed.result()
        assert failure.value.process_id == failed.id
        assert failure.value.output.message == "broken"
        cancelled = await ctx.start("listen")
        await cancelled.cancel("not needed")
        with pytest.raises(ProcessCancelledError, match="not needed") as cancellation:
            await cancelled.result()
        assert cancellation.value.process_id == cancelled.id
        assert cancellation.value.output == ProcessCancellation(message="not needed")
        return [failure.value.code, cancellation.value.code]

    assert await result_of(registry, family, p) == ["process_failed", "process_cancelled"]


async def test_a_child_is_signalled_once_however_often_its_parent_runs(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    runs = 0

    @family.process("hear", signals=["go"])
    async def hear(ctx: ProcessContext) -> JsonValue:
        return [await ctx.wait_signal("go"), await ctx.wait_signal("go")]

    @family.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        nonlocal runs
        runs += 1
        child = await ctx.start(hear)
        first = await child.signal("go", "a")
        if runs == 1:
            await trio.sleep_forever()
        second = await child.signal("go", "b")
        assert first < second
        return await child.result()

    await register(registry, family, p)
    async with working(worker(registry, family)):
        await trio.sleep(1)
    assert await result_of(registry, family, p) == ["a", "b"]
    assert (await log(registry, "p/start:hear#1")).count("signal.go") == 2


@pytest.mark.parametrize(
    ("process_id", "name", "reason"),
    [
        ("nobody", "go", PluginReason.UNKNOWN_PROCESS),
        ("p", "go", PluginReason.UNDECLARED_EVENT_TYPE),
        ("p", "no name", PluginReason.INVALID_SIGNAL_NAME),
    ],
)
async def test_a_signal_that_reaches_nobody_is_refused(
    registry: HookedRegistry, family: ProcessDefinitions, process_id: str, name: str, reason: str
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        with pytest.raises(PluginError) as refused:
            await ctx.signal(process_id, name)
        return refused.value.reason

    assert await result_of(registry, family, p) == reason


async def test_a_process_that_is_not_there_cannot_be_cancelled(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> JsonValue:
        with pytest.raises(PluginError) as refused:
            await ctx.cancel("nobody")
        return refused.value.reason

    assert await result_of(registry, family, p) == PluginReason.UNKNOWN_PROCESS


# --- what becomes of children when their parent ends ------------------------------


async def starting(ctx: ProcessContext) -> str:
    """Start a child, and another one that is detached; give the child's id."""
    child = await ctx.start("listen")
    await ctx.start("listen", detached=True)
    return child.id


CHILD, DETACHED = "p/start:listen#1", "p/start:listen#2"


async def end_detached(registry: HookedRegistry) -> None:
    await ask_to_cancel(registry, id=DETACHED)
    await registry.await_process(DETACHED)


async def test_a_parent_that_fails_takes_its_children_along(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> None:
        await starting(ctx)
        await ctx.sleep(1)
        raise ValueError("no")

    await register(registry, family, p)
    async with working(worker(registry, family)):
        await registry.await_process("p")
        output = await registry.await_process(CHILD)
        assert isinstance(output, ProcessCancellation)
        assert output.message == "its parent 'p' ended as failed"
        assert trio.current_time() == 1
        await trio.sleep(5)
        assert not (await row(registry, DETACHED)).is_terminal
        await end_detached(registry)


async def test_a_parent_that_is_cancelled_takes_its_children_along(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> None:
        await ctx.await_process(await starting(ctx))

    await register(registry, family, p)
    async with working(worker(registry, family)):
        await trio.sleep(1)
        await ask_to_cancel(registry, "enough")
        output = await registry.await_process(CHILD)
        assert isinstance(output, ProcessCancellation)
        assert output.message == "its parent 'p' ended as cancelled"
        assert (await registry.await_process("p")).tag == "cancelled"
        await end_detached(registry)


async def test_a_parent_that_completes_leaves_its_children(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> None:
        await ctx.start("double", {"n": 4})

    await register(registry, family, p)
    async with working(worker(registry, family)):
        await registry.await_process("p")
        output = await registry.await_process("p/start:double#1")
    assert output == ProcessAwaitOutput.success(8)


async def test_a_child_that_was_awaited_is_not_asked_to_end(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> None:
        await (await ctx.start("double", {"n": 4})).result()
        raise ValueError

    await end_of(registry, family, p)
    assert "process.cancel_requested" not in await log(registry, "p/start:double#1")


@pytest.mark.parametrize("how", ["fail", "cancel", "abandon"])
async def test_children_of_an_earlier_run_are_taken_along(
    registry: HookedRegistry, family: ProcessDefinitions, how: str
) -> None:
    """The run that ends the parent may not have come to where it starts them."""
    runs = 0

    @family.process("p", rerun="owner_bound" if how == "abandon" else "rerunnable")
    async def p(ctx: ProcessContext) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            await starting(ctx)
            await trio.sleep_forever()
        if how == "fail":
            raise ValueError
        await ctx.sleep(100)

    await register(registry, family, p)
    async with working(worker(registry, family)):
        await trio.sleep(1)
    if how == "cancel":
        await ask_to_cancel(registry)
    async with working(worker(registry, family)):
        output = await registry.await_process("p")
        assert output.tag == ("cancelled" if how == "cancel" else "failure")
        assert (await registry.await_process(CHILD)).tag == "cancelled"
        assert "process.cancel_requested" not in await log(registry, DETACHED)
        await end_detached(registry)


async def test_a_parent_that_has_lost_its_lease_leaves_the_children_to_the_new_owner(
    registry: HookedRegistry, family: ProcessDefinitions
) -> None:
    @family.process("p")
    async def p(ctx: ProcessContext) -> None:
        await ctx.start("listen")
        # Taken over, as after a stall of this worker that nobody has noticed yet.
        leases.append(await registry.claim_process_lease("p", "owner", 60_000))
        raise ValueError

    leases: list[ProcessLease] = []
    await register(registry, family, p)
    async with working(worker(registry, family, owner_id="owner")):
        await trio.sleep(0.3)
        assert await log(registry, "p") == []
        assert await log(registry, CHILD) == ["process.waiting"]
    await registry.complete_process_lease(ProcessLeaseCompletion.of(leases[0]))
