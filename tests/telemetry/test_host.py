"""Spans and metrics of scopes and effects."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from trio.testing import MockClock, wait_all_tasks_blocked

from lash_trio import (
    DurabilityTier,
    EffectCommand,
    EffectError,
    EffectScope,
    InlineEffectHost,
    JsonValue,
    LocalExecutor,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    PluginError,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    ReplayingEffectHost,
    ScopedEffectController,
    StartProcess,
    StepError,
    TrioClock,
)
from lash_trio.abc import EffectHost, ScopedEffects
from lash_trio.kernel import effect_envelope
from lash_trio.telemetry import TracedEffectHost
from tests.telemetry.support import Recorder, tree

TURN = EffectScope.turn("s1", "t1")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def host(recorder: Recorder) -> TracedEffectHost:
    return TracedEffectHost(InlineEffectHost(), recorder.telemetry)


def replaying(recorder: Recorder, journal: MemoryEffectJournal) -> TracedEffectHost:
    return TracedEffectHost(ReplayingEffectHost(journal, clock=TrioClock()), recorder.telemetry)


async def one() -> JsonValue:
    return 1


async def broken() -> JsonValue:
    raise ValueError("a secret")


def sleep(scope: ScopedEffectController, name: str, seconds: float) -> Awaitable[object]:
    command = EffectCommand.sleep(int(seconds * 1000))
    handle = scope.start_effect(
        effect_envelope(scope.effect_scope, name, command), LocalExecutor.sleep()
    )
    return handle.result()


async def test_a_scope_and_its_effects(
    recorder: Recorder, host: TracedEffectHost, autojump_clock: MockClock
) -> None:
    async with host.scoped(TURN) as scope:
        await scope.step("quote", one)
        await scope.sleep(2.5)
    assert recorder.trees() == [tree("scope turn", "effect durable_step quote", "effect sleep")]
    assert recorder.about("scope turn") == {
        "lash_trio.scope.type": "turn",
        "lash_trio.scope.id": "t1",
        "lash_trio.session.id": "s1",
        "lash_trio.turn.id": "t1",
        "lash_trio.durability_tier": "inline",
        "lash_trio.outcome": "ok",
    }
    assert recorder.about("effect durable_step quote") == {
        "lash_trio.scope.type": "turn",
        "lash_trio.scope.id": "t1",
        "lash_trio.effect.kind": "durable_step",
        "lash_trio.effect.id": "quote#1",
        "lash_trio.effect.replay_key": "quote#1",
        "lash_trio.effect.replayed": False,
        "lash_trio.step.id": "quote",
        "lash_trio.outcome": "ok",
    }
    assert recorder.about("effect sleep")["lash_trio.sleep.duration_ms"] == 2500
    key = (("effect.kind", "sleep"), ("effect.replayed", False), ("outcome", "ok"))
    assert recorder.metric("lash_trio.effect.duration")[key] == 2.5
    assert recorder.metric("lash_trio.scope.duration") == {
        (("outcome", "ok"), ("scope.type", "turn")): 2.5
    }


async def test_what_is_active_is_counted(
    recorder: Recorder, host: TracedEffectHost, autojump_clock: MockClock
) -> None:
    sleeping, turn = (("effect.kind", "sleep"),), (("scope.type", "turn"),)
    async with host.scoped(TURN) as scope:
        result = sleep(scope, "a", 1)
        await wait_all_tasks_blocked()
        assert recorder.metric("lash_trio.effect.active") == {sleeping: 1}
        assert recorder.metric("lash_trio.scope.active") == {turn: 1}
        await result
    assert recorder.metric("lash_trio.effect.active") == {sleeping: 0}
    assert recorder.metric("lash_trio.scope.active") == {turn: 0}


async def test_code_in_a_step_is_below_its_effect_and_effects_are_below_code(
    recorder: Recorder, host: TracedEffectHost, autojump_clock: MockClock
) -> None:
    async def ask() -> JsonValue:
        with recorder.tracer.start_as_current_span("query"):
            await trio.sleep(1)
        return None

    async with host.scoped(TURN) as scope:
        with recorder.tracer.start_as_current_span("plan"):
            await scope.step("ask", ask)
        assert trace.get_current_span().get_span_context().is_valid
    assert not trace.get_current_span().get_span_context().is_valid
    assert recorder.trees() == [
        tree("scope turn", tree("plan", tree("effect durable_step ask", "query")))
    ]


async def test_started_effects_are_below_who_started_them(
    recorder: Recorder, host: TracedEffectHost, autojump_clock: MockClock
) -> None:
    async def branch(scope: ScopedEffectController, name: str) -> None:
        with recorder.tracer.start_as_current_span(name):
            await scope.step("work", one)

    async with host.scoped(TURN) as scope:
        with recorder.tracer.start_as_current_span("fan out"):
            result = sleep(scope, "a", 1)
            async with scope.open_nursery() as nursery:
                nursery.start_soon(branch, scope, "left")
        await result
    fan_out = tree("fan out", "effect sleep", tree("left", "effect durable_step work"))
    (scope_tree,) = recorder.trees()
    assert scope_tree.name == "scope turn"
    (found,) = scope_tree.below
    assert found.name == "fan out"
    # Which task runs first is trio's to choose.
    assert sorted(found.below, key=lambda t: t.name) == sorted(fan_out.below, key=lambda t: t.name)


async def test_effects_asked_for_from_elsewhere_are_below_the_scope(
    recorder: Recorder, host: TracedEffectHost
) -> None:
    async with trio.open_nursery() as nursery:
        scope = await host.scoped_in(nursery, TURN)
        assert isinstance(scope, ScopedEffectController)
        with recorder.tracer.start_as_current_span("elsewhere"):
            await scope.step("work", one)
        await scope.aclose()
    assert recorder.trees() == [tree("scope turn", "effect durable_step work"), tree("elsewhere")]


async def test_an_effect_of_an_outer_scope_is_below_where_it_was_asked_for(
    recorder: Recorder, host: TracedEffectHost
) -> None:
    async with host.scoped(EffectScope.queue_drain("s1", "d1")) as outer:
        async with host.scoped(TURN) as inner:
            await inner.step("inner", one)
            await outer.step("outer", one)
    assert recorder.trees() == [
        tree(
            "scope queue_drain",
            tree("scope turn", "effect durable_step inner", "effect durable_step outer"),
        )
    ]
    assert recorder.about("effect durable_step outer")["lash_trio.scope.id"] == "d1"


async def test_an_error_is_told_by_its_code_and_not_by_its_text(
    recorder: Recorder, host: TracedEffectHost
) -> None:
    with pytest.raises(StepError):
        async with host.scoped(TURN) as scope:
            await scope.step("charge", broken)
    for name in ("scope turn", "effect durable_step charge"):
        about = recorder.about(name)
        assert about["lash_trio.outcome"] == "error"
        assert about["error.type"] == "durable_step_failed"
        status = recorder.span(name).status
        assert (status.status_code, status.description) == (StatusCode.ERROR, None)
    assert (
        recorder.about("effect durable_step charge")["lash_trio.step.error_class"] == "ValueError"
    )
    assert "secret" not in "".join(span.to_json() for span in recorder.spans)
    assert recorder.counts("lash_trio.effect.duration") == {
        (
            ("effect.kind", "durable_step"),
            ("effect.replayed", False),
            ("error.type", "durable_step_failed"),
            ("outcome", "error"),
        ): 1
    }


async def test_the_text_of_an_error_is_content() -> None:
    recorder = Recorder(record_content=True)
    with pytest.raises(StepError):
        async with TracedEffectHost(InlineEffectHost(), recorder.telemetry).scoped(TURN) as scope:
            await scope.step("charge", broken)
    description = recorder.span("effect durable_step charge").status.description
    assert description == "durable_step_failed: step 'charge' failed with ValueError: a secret"


async def test_a_refusal_of_a_registry_is_told_by_its_reason(
    recorder: Recorder, host: TracedEffectHost
) -> None:
    registry = MemoryProcessRegistry()

    def registration(value: int) -> ProcessRegistration:
        return ProcessRegistration(
            id="p",
            input=ProcessInput.external({"value": value}),
            event_types=(ProcessEventType(name="signal.x"),),
            provenance=ProcessProvenance.host("tests"),
        )

    await registry.register_process(registration(1))
    async with host.scoped(TURN) as scope:
        with pytest.raises(PluginError):
            await scope.process(registry, StartProcess(registration=registration(2)))
    about = recorder.about("effect process start")
    assert about["error.type"] == "registration_conflict"
    assert about["lash_trio.process.op"] == "start"
    assert about["lash_trio.effect.replayed"] is False


async def test_a_requested_cancellation_is_no_error(
    recorder: Recorder, host: TracedEffectHost, autojump_clock: MockClock
) -> None:
    async with host.scoped(TURN) as scope:
        results = [sleep(scope, name, 100) for name in ("a", "b")]
        await wait_all_tasks_blocked()
        scope.cancel("enough")
        for result in results:
            with pytest.raises(EffectError):
                await result
    for span in recorder.named("effect sleep"):
        assert dict(span.attributes or {})["lash_trio.outcome"] == "cancel_requested"
        assert "error.type" not in dict(span.attributes or {})
        assert span.status.status_code is StatusCode.UNSET
    assert recorder.about("scope turn")["lash_trio.outcome"] == "ok"


async def test_a_cancellation_from_outside_is_told_from_a_requested_one(
    recorder: Recorder, host: TracedEffectHost, autojump_clock: MockClock
) -> None:
    with trio.move_on_after(1):
        async with host.scoped(TURN) as scope:
            scope.start_effect(
                effect_envelope(TURN, "a", EffectCommand.sleep(100_000)), LocalExecutor.sleep()
            )
            await scope.step("wait", forever)
    names = ["effect durable_step wait", "effect sleep", "scope turn"]
    assert sorted(span.name for span in recorder.spans) == names
    assert {recorder.about(name)["lash_trio.outcome"] for name in names} == {"cancelled"}
    assert recorder.spans[-1].name == "scope turn", "a span ends after those below it"
    assert all(span.status.status_code is StatusCode.UNSET for span in recorder.spans)


async def forever() -> JsonValue:
    await trio.sleep_forever()
    raise AssertionError


async def test_if_both_cancellations_have_happened_the_outer_one_is_told(
    recorder: Recorder, host: TracedEffectHost
) -> None:
    with trio.CancelScope() as outer:
        async with host.scoped(TURN) as scope:
            scope.start_effect(
                effect_envelope(TURN, "a", EffectCommand.sleep(100_000)), LocalExecutor.sleep()
            )
            await wait_all_tasks_blocked()
            scope.cancel("enough")
            outer.cancel()
    assert recorder.about("effect sleep")["lash_trio.outcome"] == "cancelled"


async def test_a_replayed_effect_is_told_from_one_that_ran(
    recorder: Recorder, autojump_clock: MockClock
) -> None:
    journal = MemoryEffectJournal()

    async def run(upto: str) -> None:
        async with replaying(recorder, journal).scoped(TURN) as scope:
            await scope.step("a", one)
            await scope.sleep(0, "nap")
            with pytest.raises(StepError):
                await scope.step("b", broken)
            if upto == "c":
                await scope.step("c", one)

    def replayed() -> dict[str, object]:
        return {
            str((span.attributes or {})["lash_trio.effect.id"]): (span.attributes or {})[
                "lash_trio.effect.replayed"
            ]
            for span in recorder.spans
            if span.name.startswith("effect")
        }

    await run("b")
    assert replayed() == {"a#1": False, "nap#1": False, "b#1": False}
    recorder.clear()
    await run("c")
    assert replayed() == {"a#1": True, "nap#1": True, "b#1": True, "c#1": False}
    assert recorder.about("effect durable_step b")["error.type"] == "durable_step_failed"
    step = (("effect.kind", "durable_step"), ("effect.replayed", True), ("outcome", "ok"))
    assert recorder.counts("lash_trio.effect.duration")[step] == 1


async def test_a_refusal_of_the_host_is_no_replay(recorder: Recorder) -> None:
    journal = MemoryEffectJournal()
    async with replaying(recorder, journal).scoped(TURN) as scope:
        await scope.step("a", one)
    recorder.clear()

    async def other(_: int) -> JsonValue:
        return 2

    async with replaying(recorder, journal).scoped(TURN) as scope:
        with pytest.raises(EffectError):
            await scope.step("a", other, 5)
    about = recorder.about("effect durable_step a")
    assert about["error.type"] == "effect_replay_mismatch"
    assert about["lash_trio.effect.replayed"] is False
    # That of the journal, which is in memory, is not what the controller says.
    assert recorder.about("scope turn")["lash_trio.durability_tier"] == "durable"


async def test_a_scope_that_does_not_open_has_a_span_that_says_why(recorder: Recorder) -> None:
    journal = MemoryEffectJournal()
    async with replaying(recorder, journal).scoped(TURN):
        with pytest.raises(EffectError):
            async with replaying(recorder, journal).scoped(TURN):
                raise AssertionError("unreachable")
    (first, _) = recorder.spans
    assert dict(first.attributes or {})["error.type"] == "effect_scope_lease_held"


def test_a_blank_id_is_refused_at_once(recorder: Recorder, host: TracedEffectHost) -> None:
    with pytest.raises(EffectError) as caught:
        host.scoped(EffectScope.process(" "))
    assert caught.value.code == "missing_effect_scope_id"
    assert recorder.spans == ()


async def test_a_host_of_other_scopes_is_refused(recorder: Recorder) -> None:
    class Other(EffectHost):
        def scoped(self, scope: EffectScope) -> AbstractAsyncContextManager[ScopedEffects]:
            return no_scope()

    with pytest.raises(TypeError, match="must open a ScopedEffectController, got None"):
        async with TracedEffectHost(Other(), recorder.telemetry).scoped(TURN):
            raise AssertionError("unreachable")
    assert recorder.about("scope turn")["error.type"] == "TypeError"


@asynccontextmanager
async def no_scope() -> AsyncGenerator[ScopedEffects]:
    yield None  # type: ignore[misc]


async def test_an_exception_of_the_block_leaves_as_it_is(
    recorder: Recorder, host: TracedEffectHost
) -> None:
    error = KeyError("k")
    with pytest.raises(KeyError) as caught:
        async with host.scoped(TURN):
            raise error
    assert caught.value is error
    assert recorder.about("scope turn")["error.type"] == "KeyError"


@pytest.mark.parametrize(
    ("make", "outcome", "error_type"),
    [
        (lambda: ExceptionGroup("g", [ValueError("v")]), "error", "ValueError"),
        (lambda: ExceptionGroup("g", [ValueError(), KeyError()]), "error", "ExceptionGroup"),
        (lambda: BaseExceptionGroup("g", [KeyboardInterrupt()]), "cancelled", None),
        (lambda: trio.TooSlowError(), "error", "trio.TooSlowError"),
    ],
)
async def test_how_a_block_was_left(
    recorder: Recorder,
    host: TracedEffectHost,
    make: Callable[[], BaseException],
    outcome: str,
    error_type: str | None,
) -> None:
    error = make()
    with pytest.raises(type(error)):
        async with host.scoped(TURN):
            raise error
    about = recorder.about("scope turn")
    assert (about["lash_trio.outcome"], about.get("error.type")) == (outcome, error_type)


class Unspeakable(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise AssertionError("nobody may ask")


async def test_an_error_is_not_asked_for_its_text_where_that_is_not_recorded(
    recorder: Recorder, host: TracedEffectHost
) -> None:
    with pytest.raises(Unspeakable):
        async with host.scoped(TURN):
            raise Unspeakable
    error_type = recorder.about("scope turn")["error.type"]
    assert error_type == f"{__name__}.Unspeakable"


def test_what_the_host_says_of_itself_is_passed_on(recorder: Recorder) -> None:
    class Durable(InlineEffectHost):
        requires_durable_attachment_store = True
        durability_tier = DurabilityTier.DURABLE

    traced = TracedEffectHost(Durable(), recorder.telemetry)
    assert traced.requires_durable_attachment_store
    assert traced.durability_tier is DurabilityTier.DURABLE
    assert TracedEffectHost(InlineEffectHost(), recorder.telemetry).durability_tier == "inline"
