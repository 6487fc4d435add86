"""Where telemetry goes, and that its names stay."""

from __future__ import annotations

import trio
from opentelemetry import metrics, trace
from trio.testing import MockClock

from lash_trio import (
    EffectScope,
    InlineEffectHost,
    LlmUsage,
    MemoryProcessRegistry,
    ProcessAwaitOutput,
)
from lash_trio.telemetry import Telemetry, TracedEffectHost
from lash_trio.turns import ScriptedReply
from tests.telemetry.support import Recorder
from tests.telemetry.test_provider import EVENTS, REQUEST, traced
from tests.telemetry.test_registry import READY, Bench


async def test_without_an_sdk_nothing_is_made_and_everything_works() -> None:
    host = TracedEffectHost(InlineEffectHost(), Telemetry.of())
    async with host.scoped(EffectScope.turn("s1", "t1")) as scope:
        await scope.sleep(0)
        assert not trace.get_current_span().is_recording()


async def test_the_global_providers_are_used_where_none_are_given() -> None:
    telemetry = Telemetry.of()
    assert type(telemetry.tracer) is type(trace.get_tracer("any"))
    assert type(telemetry.meter) is type(metrics.get_meter("any"))


async def test_metrics_have_the_names_and_units_that_the_reference_says(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    recorder: Recorder = bench.recorder
    await bench.register()
    await bench.registry.append_event("p", READY)
    await bench.registry.wait_event_nth("p", "signal.ready", 1)
    lease = await bench.claim("a")
    await bench.claim(lease.owner_id)
    await bench.registry.complete_process("p", ProcessAwaitOutput.success(None))
    await traced(recorder, ScriptedReply(usage=LlmUsage(input_tokens=1))).complete(REQUEST, EVENTS)
    host = TracedEffectHost(InlineEffectHost(), recorder.telemetry)
    async with host.scoped(EffectScope.turn("s1", "t1")) as scope:
        await scope.sleep(0)
    assert recorder.units() == {
        "lash_trio.scope.active": "{scope}",
        "lash_trio.scope.duration": "s",
        "lash_trio.effect.active": "{effect}",
        "lash_trio.effect.duration": "s",
        "lash_trio.wait.active": "{wait}",
        "lash_trio.wait.duration": "s",
        "lash_trio.lease.events": "{event}",
        "lash_trio.lease.recoveries": "{recovery}",
        "lash_trio.event.appended": "{event}",
        "lash_trio.process.ended": "{process}",
        "gen_ai.client.operation.duration": "s",
        "gen_ai.client.token.usage": "{token}",
    }


async def test_two_hosts_of_one_telemetry_share_its_instruments(
    autojump_clock: MockClock,
) -> None:
    recorder = Recorder()
    for seconds in (1, 2):
        host = TracedEffectHost(InlineEffectHost(), recorder.telemetry)
        async with host.scoped(EffectScope.turn("s1", "t1")):
            await trio.sleep(seconds)
    turns = (("outcome", "ok"), ("scope.type", "turn"))
    assert recorder.metric("lash_trio.scope.duration") == {turns: 3.0}


async def test_a_registry_is_untouched_by_what_wraps_it() -> None:
    bench = Bench()
    await bench.register()
    assert isinstance(bench.inner, MemoryProcessRegistry)
    assert (await bench.inner.get_process("p")) is not None
    assert bench.registry.durability_tier is bench.inner.durability_tier
