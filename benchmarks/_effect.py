"""The smallest effect there is: a sleep of no length, on the inline host."""

from __future__ import annotations

import time

import trio

from lash_trio import (
    EffectCommand,
    EffectEnvelope,
    EffectScope,
    InlineEffectHost,
    Invocation,
    InvocationScope,
    LocalExecutor,
)

from ._measure import Groups, Plan

now_ns = time.perf_counter_ns


async def sleep_in_cancel_scope(plan: Plan) -> Groups:
    """``trio.sleep(0)`` in a cancel scope of its own."""
    samples: list[float] = []
    for _ in range(plan.warm_up + plan.samples):
        started_ns = now_ns()
        with trio.CancelScope():
            await trio.sleep(0)  # noqa: ASYNC115 (the baseline is what users write)
        samples.append((now_ns() - started_ns) / 1e9)
    return [samples[plan.warm_up :]]


async def sleep_effect(plan: Plan) -> Groups:
    """``execute_effect`` of a zero sleep, with the executor that it uses up."""
    samples: list[float] = []
    command = EffectCommand.sleep(0)
    envelope = EffectEnvelope(
        invocation=Invocation.effect(
            InvocationScope(session_id="session"),
            effect_id="sleep",
            kind=command.kind,
            replay_key="sleep",
        ),
        command=command,
    )
    async with InlineEffectHost().scoped(EffectScope.turn("session", "turn")) as scope:
        for _ in range(plan.warm_up + plan.samples):
            started_ns = now_ns()
            await scope.execute_effect(envelope, LocalExecutor.sleep())
            samples.append((now_ns() - started_ns) / 1e9)
    return [samples[plan.warm_up :]]
