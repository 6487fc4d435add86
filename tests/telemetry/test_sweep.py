"""Cancelled at any checkpoint, spans end, and in order; nothing is swallowed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from lash_trio import (
    EffectCommand,
    EffectScope,
    InlineEffectHost,
    JsonValue,
    LocalExecutor,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
    ReplayingEffectHost,
    TrioClock,
)
from lash_trio.abc import EffectHost, ProcessRegistry
from lash_trio.kernel import effect_envelope
from lash_trio.model import terminal_event
from lash_trio.telemetry import TracedEffectHost, TracedProcessRegistry
from lash_trio.testing.sweep import SweptRun, sweep_cancellation
from tests.telemetry.support import Recorder

TURN = EffectScope.turn("s1", "t1")
READY = ProcessEventAppendRequest(event_type="signal.ready")
ACTIVE = ("lash_trio.scope.active", "lash_trio.effect.active", "lash_trio.wait.active")


class Subject:
    """A traced host and a traced registry."""

    def __init__(self, host: EffectHost) -> None:
        self.recorder = Recorder()
        self.host = TracedEffectHost(host, self.recorder.telemetry)
        inner: ProcessRegistry = MemoryProcessRegistry()
        self.registry = TracedProcessRegistry(inner, self.recorder.telemetry)

    async def work(self) -> JsonValue:
        with self.recorder.tracer.start_as_current_span("inside"):
            await trio.sleep(1)
        return None

    async def signal(self) -> None:
        await trio.sleep(2)
        await self.registry.append_event("p", READY)

    async def run(self) -> None:
        """All that is traced, in one scenario."""
        await self.registry.register_process(
            ProcessRegistration(
                id="p",
                input=ProcessInput.external({}),
                event_types=(ProcessEventType(name="signal.ready"),),
                provenance=ProcessProvenance.host("tests"),
            )
        )
        lease = await self.registry.claim_process_lease("p", "a", 60_000)
        async with self.host.scoped(TURN) as scope, trio.open_nursery() as nursery:
            sleep = effect_envelope(TURN, "nap", EffectCommand.sleep(3000))
            handle = scope.start_effect(sleep, LocalExecutor.sleep())
            nursery.start_soon(self.signal)
            await scope.step("work", self.work)
            await scope.await_event(self.registry, "p", "signal.ready", 1)
            await handle.result()
        request = terminal_event("p", ProcessAwaitOutput.success(None))
        await self.registry.complete_leased_process(lease, request)


def replaying() -> EffectHost:
    return ReplayingEffectHost(MemoryEffectJournal(), clock=TrioClock())


@pytest.mark.parametrize("host", [InlineEffectHost, replaying])
def test_spans_end_in_order_wherever_the_cancellation_comes(
    host: Callable[[], EffectHost],
) -> None:
    @asynccontextmanager
    async def open_subject() -> AsyncGenerator[Subject]:
        yield Subject(host())

    async def check(run: SweptRun[Subject]) -> None:
        recorder = run.subject.recorder
        assert run.error is None
        assert recorder.begun.open == []
        assert not trace.get_current_span().get_span_context().is_valid
        for name in ACTIVE:
            assert set(recorder.metric(name).values()) <= {0}
        ended = {span_id(span): number for number, span in enumerate(recorder.spans)}
        for number, span in enumerate(recorder.spans):
            if span.parent is not None:
                assert number < ended[span.parent.span_id], f"{span.name} ended after its parent"
        if run.finished:
            outcomes = {(s.attributes or {}).get("lash_trio.outcome") for s in recorder.spans}
            assert "error" not in outcomes

    report = sweep_cancellation(open_subject, Subject.run, check)
    assert report.cancelled > 10
    assert report.failed == 0


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)
