"""Every public async function, cancelled at each of its checkpoints."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import attrs
import pytest
import trio

import lash_trio
from lash_trio import (
    AttachmentCreateMeta,
    EffectCommand,
    EffectEnvelope,
    EffectScope,
    HostedProcesses,
    InlineEffectController,
    InlineEffectHost,
    Invocation,
    InvocationScope,
    JsonValue,
    ListProcesses,
    LlmAttachment,
    LlmRequest,
    LocalExecutor,
    MemoryArtifactStore,
    MemoryAttachmentStore,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    ProcessAwaitOutput,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventAppendRequest,
    ProcessEventSemanticsSpec,
    ProcessEventType,
    ProcessExternalRef,
    ProcessHandle,
    ProcessHandleDescriptor,
    ProcessInput,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessListFilter,
    ProcessProvenance,
    ProcessRegistration,
    ProcessStatusFilter,
    ProcessValueSelector,
    ProcessWakeSpec,
    ProcessWorkRunner,
    ReplayingEffectHost,
    Runtime,
    RuntimeParts,
    ScopedEffectController,
    SessionScope,
    SignalWait,
    TrioClock,
    WaitState,
    WorkerOptions,
    llm_request_spec,
    open_runtime,
    request_process_cancel,
    resolve_attachments,
    to_json,
)
from lash_trio.model import terminal_event
from lash_trio.testing.conformance import ManualClock
from lash_trio.testing.sweep import SweptRun, sweep_cancellation

HERE = SessionScope(session_id="here")
THERE = SessionScope(session_id="there")
GO = "signal.go"


@attrs.define
class World:
    """A registry with a little of everything in it."""

    registry: MemoryProcessRegistry
    lease: ProcessLease
    before: JsonValue = None


def registration(process_id: str) -> ProcessRegistration:
    return ProcessRegistration(
        id=process_id,
        input=ProcessInput.external(),
        provenance=ProcessProvenance.host("test"),
        event_types=[
            ProcessEventType(name=GO),
            ProcessEventType(
                name="alarm",
                semantics=ProcessEventSemanticsSpec(
                    wake=ProcessWakeSpec(input=ProcessValueSelector.payload())
                ),
            ),
        ],
        wake_target=HERE,
    )


@asynccontextmanager
async def world() -> AsyncGenerator[World]:
    registry = MemoryProcessRegistry(ManualClock())
    for process_id in ("p1", "p2"):
        await registry.register_process(registration(process_id))
        await registry.grant_handle(HERE, process_id, ProcessHandleDescriptor())
    await registry.append_event("p1", ProcessEventAppendRequest(event_type=GO, payload=1))
    await registry.append_event("p1", ProcessEventAppendRequest(event_type="alarm", payload="a"))
    await registry.set_process_wait("p2", wait_for_go())
    lease = await registry.claim_process_lease("p1", "me", 60_000)
    made = World(registry, lease)
    made.before = await snapshot(registry)
    yield made


def wait_for_go() -> WaitState:
    kind = SignalWait(key="k", name="go", event_type=GO, ordinal=1)
    return WaitState(kind=kind, since_ms=1)


async def snapshot(registry: MemoryProcessRegistry) -> JsonValue:
    """All that can be seen of a registry; lease tokens are drawn, so they are counted."""
    records = await registry.list_processes(ProcessListFilter(status=ProcessStatusFilter.ANY))
    return [
        [
            to_json(record),
            [to_json(event) for event in await registry.events_after(record.id, 0)],
            [event.sequence for event in await registry.wake_events_after(record.id, 0)],
            [to_json(grant) for grant in await registry.handle_grants_for_process(record.id)],
            registry.statistics().leases,
        ]
        for record in records
    ]


async def wait_while_appending(
    registry: MemoryProcessRegistry, wait: Callable[[], Awaitable[object]]
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await registry.append_event("p1", ProcessEventAppendRequest(event_type=GO, payload=2))


def append(event_type: str = GO) -> ProcessEventAppendRequest:
    return ProcessEventAppendRequest(event_type=event_type, payload=2)


REGISTRY: dict[str, Callable[[World], Awaitable[object]]] = {
    "register_process": lambda w: w.registry.register_process(registration("p3")),
    "get_process": lambda w: w.registry.get_process("p1"),
    "list_claimable": lambda w: w.registry.list_claimable("w9"),
    "find_ready": lambda w: w.registry.find_ready({"p1": [wait_for_go().kind]}),
    "list_processes": lambda w: w.registry.list_processes(ProcessListFilter()),
    "list_non_terminal": lambda w: w.registry.list_non_terminal(),
    "set_external_ref": lambda w: w.registry.set_external_ref(
        "p1", ProcessExternalRef(backend="b", id="1")
    ),
    "append_event": lambda w: w.registry.append_event("p1", append()),
    "complete_process": lambda w: w.registry.complete_process("p2", ProcessAwaitOutput.success(1)),
    "events_after": lambda w: w.registry.events_after("p1", 0),
    "recent_events": lambda w: w.registry.recent_events("p1", 1),
    "count_events_through": lambda w: w.registry.count_events_through("p1", GO, 9),
    "wake_events_after": lambda w: w.registry.wake_events_after("p1", 0),
    "ack_wake": lambda w: w.registry.ack_wake("p1", 2),
    "wait_event_after": lambda w: w.registry.wait_event_after("p1", GO, 0),
    "wait_event_nth": lambda w: w.registry.wait_event_nth("p1", GO, 1),
    "wait_next_event": lambda w: w.registry.wait_next_event("p1", 0),
    "await_process": lambda w: ended_and_awaited(w),
    "set_process_wait": lambda w: w.registry.set_process_wait("p1", wait_for_go()),
    "clear_process_wait": lambda w: w.registry.clear_process_wait("p2"),
    "grant_handle": lambda w: w.registry.grant_handle(THERE, "p1", ProcessHandleDescriptor()),
    "revoke_handle": lambda w: w.registry.revoke_handle(HERE, "p1"),
    "transfer_handle_grants": lambda w: w.registry.transfer_handle_grants(
        HERE, THERE, ["p1", "p2"]
    ),
    "list_handle_grants": lambda w: w.registry.list_handle_grants(HERE),
    "list_live_handle_grants": lambda w: w.registry.list_live_handle_grants(HERE),
    "has_handle_grant": lambda w: w.registry.has_handle_grant(HERE, "p1"),
    "handle_grants_for_process": lambda w: w.registry.handle_grants_for_process("p1"),
    "delete_session_process_state": lambda w: w.registry.delete_session_process_state("here"),
    "claim_process_lease": lambda w: w.registry.claim_process_lease("p2", "me", 60_000),
    "renew_process_lease": lambda w: w.registry.renew_process_lease(w.lease, 90_000),
    "complete_process_lease": lambda w: w.registry.complete_process_lease(
        ProcessLeaseCompletion.of(w.lease)
    ),
    "complete_leased_process": lambda w: w.registry.complete_leased_process(
        w.lease, terminal_event("p1", ProcessAwaitOutput.success(1))
    ),
}
"""Of :class:`ProcessRegistry`: each method once, so that its end is one of two states."""


async def ended_and_awaited(w: World) -> None:
    """What is awaited here has ended in the one step before, or not at all."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(w.registry.await_process, "p2")
        await w.registry.complete_process("p2", ProcessAwaitOutput.success(1))


@pytest.mark.parametrize("name", REGISTRY)
def test_a_registry_s_method_is_all_or_nothing(name: str) -> None:
    after: list[JsonValue] = []

    async def check(run: SweptRun[World]) -> None:
        assert run.error is None, run.error
        assert run.subject.registry.statistics().tasks_waiting == 0
        now = await snapshot(run.subject.registry)
        if run.point is None:
            after.append(now)
        assert now in (run.subject.before, after[0])
        if run.finished:
            assert now == after[0], "what has returned has happened"

    report = sweep_cancellation(world, REGISTRY[name], check)
    assert report.checkpoints >= 1
    assert report.cancelled >= 1, "a method that never feels a cancellation has no checkpoint"


WAITS: dict[str, Callable[[World], Awaitable[object]]] = {
    "wait_event_after": lambda w: wait_while_appending(
        w.registry, lambda: w.registry.wait_event_after("p1", GO, 1)
    ),
    "wait_event_nth": lambda w: wait_while_appending(
        w.registry, lambda: w.registry.wait_event_nth("p1", GO, 2)
    ),
    "wait_next_event": lambda w: wait_while_appending(
        w.registry, lambda: w.registry.wait_next_event("p1", 2)
    ),
}


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.parametrize("seed", range(5))
def test_a_cancelled_wait_leaves_nothing_behind(name: str, seed: int) -> None:
    async def check(run: SweptRun[World]) -> None:
        assert run.error is None, run.error
        assert run.subject.registry.statistics().tasks_waiting == 0

    report = sweep_cancellation(world, WAITS[name], check, seed=seed)
    assert report.cancelled >= 2


@attrs.define
class Shop:
    """Processes on a registry, and a journal that outlives what is cancelled."""

    registry: MemoryProcessRegistry = attrs.field(factory=MemoryProcessRegistry)
    journal: MemoryEffectJournal = attrs.field(factory=MemoryEffectJournal)
    runs: list[str] = attrs.field(factory=list)

    def host(self) -> ReplayingEffectHost:
        return ReplayingEffectHost(self.journal, clock=TrioClock())

    def runtime(self, definitions: ProcessDefinitions) -> Runtime:
        # A journal in memory is no durable one to a runtime, but it replays.
        return Runtime(definitions, RuntimeParts(registry=self.registry, host=self.host()))


@asynccontextmanager
async def shop() -> AsyncGenerator[Shop]:
    yield Shop()


definitions = ProcessDefinitions()


@definitions.process("child", signals=["go"])
async def child(ctx: ProcessContext, n: int) -> JsonValue:
    return [n, await ctx.wait_signal("go")]


async def double(n: int) -> JsonValue:
    return 2 * n


@definitions.process("hosted")
async def hosted(ctx: ProcessContext, n: int) -> JsonValue:
    return await ctx.step("double", double, n)


@definitions.process("all", signals=["go"])
async def everything(ctx: ProcessContext) -> JsonValue:
    """Uses every method of the context."""
    seen: list[JsonValue] = [await ctx.step("double", double, 21)]
    await ctx.sleep(1)

    async def aside(n: int) -> None:
        seen.append(await ctx.step("aside", double, n))

    async with ctx.open_nursery() as nursery:
        nursery.start_soon(aside, 1)
        nursery.start_soon(aside, 2)
    first = await ctx.start(child, {"n": 1})
    await first.signal("go", "one")
    seen.append(await first.result())
    second = await ctx.start(child, {"n": 2})
    await ctx.signal(second.id, "go", "two")
    seen.append(to_json(await ctx.await_process(second.id)))
    third = await ctx.start(child, {"n": 3})
    await third.cancel("not needed")
    seen.append((await third.output()).tag)
    fourth = await ctx.start(child, {"n": 4}, detached=True)
    await ctx.cancel(fourth.id, "nor this")
    await ctx.emit("process.resumed", {"by": "hand"})
    seen.append(await ctx.wait_event(second.id, GO, 1))
    seen.append(await ctx.wait_signal("go"))
    seen.append(len(await ctx.list_processes(ProcessListFilter(status=ProcessStatusFilter.ANY))))
    record = await ctx.get_process(second.id)
    assert record is not None
    assert 0 <= await ctx.random() < 1
    assert (await ctx.uuid()).version == 4
    assert (await ctx.now()).year > 2000
    return seen


async def run_everything(subject: Shop) -> None:
    async with subject.runtime(definitions) as runtime:
        handle = await runtime.start(everything, id="all-1")
        await handle.signal("go", "now", signal_id="once")
        assert await handle.result() is not None


@pytest.mark.parametrize("seed", range(1))
def test_a_process_that_is_stopped_anywhere_is_resumed_and_ends_once(seed: int) -> None:
    expected: list[JsonValue] = []

    async def check(run: SweptRun[Shop]) -> None:
        assert run.error is None, run.error
        registry = run.subject.registry
        statistics = registry.statistics()
        assert statistics.tasks_waiting == 0
        assert statistics.leases == 0, "a stopped worker gives its leases back"
        for record in await registry.list_processes(
            ProcessListFilter(status=ProcessStatusFilter.CANCELLED)
        ):
            assert record.id.endswith(("start:child#3", "start:child#4")), (
                "stopping is not cancelling"
            )
        with trio.fail_after(100):
            await run_everything(run.subject)
        output = await registry.await_process("all-1")
        value = to_json(output)
        expected.append(value)
        assert sorted(map(str, flat(value))) == sorted(map(str, flat(expected[0])))
        events = await registry.events_after("all-1", 0)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert sum(event.semantics.terminal is not None for event in events) == 1

    report = sweep_cancellation(shop, run_everything, check, seed=seed)
    assert report.checkpoints > 100
    assert report.cancelled > 100


def flat(value: JsonValue) -> list[JsonValue]:
    """The leaves of a value, since two tasks side by side may end in either order."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in flat(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


def envelope(command: EffectCommand) -> EffectEnvelope:
    return EffectEnvelope(
        invocation=Invocation.effect(InvocationScope(session_id="s"), "e", command.kind, "e"),
        command=command,
    )


async def use_scope(w: World) -> None:
    """Every method of a scope, of its handles, nurseries, executors and controllers."""
    host = InlineEffectHost()
    async with host.scoped(EffectScope.turn("s", "t")) as scope:
        await use_scope_methods(w, scope)
    async with trio.open_nursery() as nursery:
        held = await host.scoped_in(nursery, EffectScope.turn("s", "t2"))
        await held.execute_effect(envelope(EffectCommand.sleep(1)), LocalExecutor.sleep())
        await held.aclose()
    controller = InlineEffectController()
    await controller.execute_effect(envelope(EffectCommand.sleep(1)), LocalExecutor.sleep())
    await LocalExecutor.sleep().execute(envelope(EffectCommand.sleep(1)))
    await LocalExecutor.sleep().execute_to_record(envelope(EffectCommand.sleep(1)))


async def use_scope_methods(w: World, scope: ScopedEffectController) -> None:
    await scope.sleep(1)
    await scope.step("double", double, 1)
    await scope.await_event(w.registry, "p1", GO, 1)
    await scope.process(w.registry, ListProcesses(session_scope=HERE))
    handle = scope.start_effect(envelope(EffectCommand.sleep(5)), LocalExecutor.sleep())
    await handle.result()
    async with scope.open_nursery() as nursery:
        nursery.start_soon(scope.sleep, 1)
        nursery.start_soon(scope.sleep, 2)


async def use_replay(w: World) -> None:
    """A replaying host, twice on one journal."""
    journal = MemoryEffectJournal()
    for _ in range(2):
        host = ReplayingEffectHost(journal, clock=TrioClock())
        async with host.scoped(EffectScope.turn("s", "t")) as scope:
            await use_scope_methods(w, scope)
    async with trio.open_nursery() as nursery:
        held = await ReplayingEffectHost(journal).scoped_in(nursery, EffectScope.turn("s", "u"))
        await held.aclose()


async def use_the_rest(w: World) -> None:
    await request_process_cancel(w.registry, "p2", "enough")
    store = MemoryAttachmentStore()
    reference = await store.put(b"x", AttachmentCreateMeta(media_type="image/png"))
    await store.get(reference)
    attachment = LlmAttachment(media_type="image/png", data=b"y")
    request = LlmRequest(model="m", messages=(), attachments=(attachment,))
    await llm_request_spec(request, store, InlineEffectController())
    stored = LlmAttachment(media_type="image/png", reference=reference)
    await resolve_attachments(attrs.evolve(request, attachments=(stored,)), store)
    artifacts = MemoryArtifactStore()
    await artifacts.get(await artifacts.put("environment", b"x"))
    processes = HostedProcesses(definitions)
    row = await w.registry.register_process(processes.registration("h1", "hosted", {"n": 1}))
    async with InlineEffectHost().scoped(EffectScope.process("h1")) as scope:
        process = processes.open(row, scope, w.registry)
        await process.end(await process.run())


@pytest.mark.parametrize("scenario", [use_scope, use_replay, use_the_rest])
@pytest.mark.parametrize("seed", range(2))
def test_kernel(scenario: Callable[[World], Awaitable[None]], seed: int) -> None:
    async def check(run: SweptRun[World]) -> None:
        assert run.error is None, run.error
        assert run.subject.registry.statistics().tasks_waiting == 0

    report = sweep_cancellation(world, scenario, check, seed=seed)
    assert report.cancelled >= report.checkpoints // 2


async def use_runtime(subject: Shop) -> None:
    """Every method of a runtime, its handles and its worker."""
    async with open_runtime(definitions, subject.registry) as runtime:
        handle = await runtime.start(child, {"n": 1}, id="c1")
        again: ProcessHandle = await runtime.get("c1")
        await runtime.list()
        await again.record()
        await handle.signal("go", "on", signal_id="1")
        assert (await handle.output()).tag == "success"
        assert await handle.result() == [1, "on"]
        assert [event.sequence async for event in handle.events()]
        other = await runtime.start(child, {"n": 2}, id="c2")
        await other.cancel("enough")
        assert (await other.output()).tag == "cancelled"


async def use_worker(subject: Shop) -> None:
    options = WorkerOptions(drain_grace_seconds=1)
    worker = ProcessWorkRunner(subject.registry, InlineEffectHost(), definitions, options)
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        await trio.sleep(0.1)
        await worker.drain()


@pytest.mark.parametrize("scenario", [use_runtime, use_worker])
@pytest.mark.parametrize("seed", range(2))
def test_worker_and_runtime(scenario: Callable[[Shop], Awaitable[None]], seed: int) -> None:
    async def check(run: SweptRun[Shop]) -> None:
        assert run.error is None, run.error
        statistics = run.subject.registry.statistics()
        assert (statistics.tasks_waiting, statistics.leases) == (0, 0)
        with trio.fail_after(100):
            await scenario(run.subject)

    report = sweep_cancellation(shop, scenario, check, seed=seed)
    assert report.cancelled >= report.checkpoints // 2


SWEPT = {
    *(f"MemoryProcessRegistry.{name}" for name in REGISTRY),
    *(f"ProcessContext.{name}" for name in vars(ProcessContext)),
    *(f"ChildProcess.{name}" for name in ("cancel", "output", "result", "signal")),
    *(f"ProcessNurseryManager.{name}" for name in ("__aenter__", "__aexit__")),
    *(f"EffectNurseryManager.{name}" for name in ("__aenter__", "__aexit__")),
    *(f"Runtime.{name}" for name in ("__aenter__", "__aexit__", "get", "list", "start")),
    *(f"ProcessHandle.{name}" for name in ("cancel", "output", "record", "result", "signal")),
    "ProcessEventStream.__anext__",
    "ProcessWorkRunner.drain",
    "ProcessWorkRunner.run",
    *(
        f"ScopedEffectController.{name}"
        for name in (
            "__aenter__",
            "__aexit__",
            "aclose",
            "await_event",
            "execute_effect",
            "process",
            "sleep",
            "step",
            "wait_close_requested",
        )
    ),
    "InlineEffectController.execute_effect",
    "ReplayController.execute_effect",
    "InlineEffectHost.scoped_in",
    "ReplayingEffectHost.scoped_in",
    "LocalExecutor.execute",
    "LocalExecutor.execute_to_record",
    "HostedProcess.run",
    "HostedProcess.end",
    "MemoryArtifactStore.get",
    "MemoryArtifactStore.put",
    "MemoryAttachmentStore.get",
    "MemoryAttachmentStore.put",
    "resolve_attachments",
    "MemoryEffectJournal.open_scope",
    "llm_request_spec",
    "request_process_cancel",
}
"""What the scenarios of this module go through."""


def public_async_functions() -> set[str]:
    found: set[str] = set()
    for name in dir(lash_trio):
        value = getattr(lash_trio, name)
        if name.startswith("_"):
            continue
        if inspect.iscoroutinefunction(value):
            found.add(name)
        if inspect.isclass(value):
            found |= {f"{name}.{method}" for method in dir(value) if is_async(value, method)}
    return found


def is_async(owner: type, method: str) -> bool:
    if method.startswith("_") and method not in ("__aenter__", "__aexit__", "__anext__"):
        return False
    function = inspect.unwrap(getattr(owner, method))
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def test_every_public_async_function_is_swept() -> None:
    missing = public_async_functions() - SWEPT
    assert not missing, f"give these a scenario in this module: {sorted(missing)}"


def test_the_context_s_methods_are_all_used() -> None:
    source = inspect.getsource(everything)
    for name in vars(ProcessContext):
        if is_async(ProcessContext, name):
            assert f"ctx.{name}(" in source, f"the scenario does not use ctx.{name}()"


def test_a_check_that_fails_names_the_checkpoint() -> None:
    async def check(run: SweptRun[World]) -> None:
        assert run.point != 2, "planted"

    with pytest.raises(AssertionError) as caught:
        sweep_cancellation(world, use_scope, check)
    assert caught.value.__notes__ == ["cancelled at checkpoint 2"]


def test_a_scenario_that_swallows_its_cancellation_is_seen() -> None:
    async def swallows(w: World) -> None:
        with suppress(trio.Cancelled):
            await trio.sleep(1)

    async def check(run: SweptRun[World]) -> None:
        return

    report = sweep_cancellation(world, swallows, check)
    assert report.cancelled < report.checkpoints


def test_a_scenario_that_fails_alone_is_refused() -> None:
    async def fails(w: World) -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError

    async def check(run: SweptRun[World]) -> None:
        return

    with pytest.raises(AssertionError, match="must finish when nobody cancels it"):
        sweep_cancellation(world, fails, check)


def test_a_task_that_outlives_the_scenario_is_found() -> None:
    @asynccontextmanager
    async def with_nursery() -> AsyncGenerator[trio.Nursery]:
        async with trio.open_nursery() as nursery:
            yield nursery
            nursery.cancel_scope.cancel("the subject is closed")

    async def leaks(nursery: trio.Nursery) -> None:
        nursery.start_soon(trio.sleep_forever)
        await trio.lowlevel.checkpoint()

    async def check(run: SweptRun[trio.Nursery]) -> None:
        return

    subject: Callable[[], AbstractAsyncContextManager[trio.Nursery]] = with_nursery
    with pytest.raises(AssertionError, match="outlived it"):
        sweep_cancellation(subject, leaks, check)
