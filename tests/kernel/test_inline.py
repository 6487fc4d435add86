"""The inline host: effects run here and now."""

from __future__ import annotations

import pytest

from lash_trio import (
    DurabilityTier,
    DurableStepOutcome,
    EffectEnvelope,
    EffectError,
    EffectOutcome,
    EffectScope,
    InlineEffectController,
    InlineEffectHost,
    ListProcesses,
    LocalExecutor,
    ProcessEvent,
    ProcessExecutionContext,
    ProcessOutcome,
    ProcessRunning,
    ProcessSignalled,
    ProcessStarted,
    SessionScope,
    SignalProcess,
    StartProcess,
)
from lash_trio.abc import EffectController, LocalExecution
from tests.kernel.support import TURN, Registry, answer, call, process, ready, registration


class OtherController(EffectController):
    """Answers without asking anybody."""

    @property
    def durability_tier(self) -> DurabilityTier:
        return DurabilityTier.DURABLE

    @property
    def requires_durable_attachment_store(self) -> bool:
        return True

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        return DurableStepOutcome(value="from elsewhere")


async def test_it_is_inline() -> None:
    host = InlineEffectHost()
    assert host.durability_tier is DurabilityTier.INLINE
    assert not host.requires_durable_attachment_store
    async with host.scoped(TURN) as scope:
        assert scope.durability_tier is DurabilityTier.INLINE
        assert not scope.requires_durable_attachment_store


async def test_another_controller_decides() -> None:
    host = InlineEffectHost(OtherController())
    assert host.durability_tier is DurabilityTier.DURABLE
    assert host.requires_durable_attachment_store
    async with host.scoped(TURN) as scope:
        assert scope.durability_tier is DurabilityTier.DURABLE
        assert scope.requires_durable_attachment_store
        envelope, _ = call(answer)
        outcome = await scope.execute_effect(envelope, LocalExecutor.unavailable())
    assert outcome == DurableStepOutcome(value="from elsewhere")


async def test_scopes_of_one_host_do_not_know_each_other() -> None:
    host = InlineEffectHost()
    async with host.scoped(TURN) as first, host.scoped(EffectScope.process("p1")) as second:
        first.cancel("the first one")
        assert (await second.execute_effect(*call(answer))).kind == "durable_step"
        with pytest.raises(EffectError, match="the first one"):
            await first.execute_effect(*call(answer))


async def test_an_effect_runs_in_its_executor() -> None:
    envelope, executor = call(answer)
    outcome = await InlineEffectController().execute_effect(envelope, executor)
    assert outcome == DurableStepOutcome(value=42)


async def test_a_process_command_runs_on_the_registry_of_the_executor(registry: Registry) -> None:
    command = SignalProcess(
        process_id="p1", signal_name="ready", signal_id="one", request=ready({"n": 1})
    )
    outcome = await InlineEffectController().execute_effect(*process(registry, command))
    result = outcome.expect(ProcessOutcome).result
    assert isinstance(result, ProcessSignalled)
    assert isinstance(result.event, ProcessEvent)
    assert await registry.events_after("p1", 0) == [result.event]


async def test_a_process_command_needs_process_control(registry: Registry) -> None:
    listing = ListProcesses(session_scope=SessionScope(session_id="s1"))
    envelope, _ = process(registry, listing)
    for executor in (LocalExecutor.unavailable(), LocalExecutor.sleep(), call(answer)[1]):
        with pytest.raises(EffectError) as caught:
            await InlineEffectController().execute_effect(envelope, executor)
        assert caught.value.code == "runtime_effect_local_executor_unavailable"


async def test_process_control_serves_nothing_else(registry: Registry) -> None:
    envelope, _ = call(answer)
    with pytest.raises(EffectError) as caught:
        await InlineEffectController().execute_effect(
            envelope, LocalExecutor.process_control(registry)
        )
    assert caught.value.code == "runtime_effect_local_executor_mismatch"


async def test_to_start_a_process_registers_it_and_nothing_more(registry: Registry) -> None:
    start = StartProcess(
        registration=registration("p2"),
        execution_context=ProcessExecutionContext(),
    )
    async with InlineEffectHost().scoped(TURN) as scope:
        started = await scope.process(registry, start)
        assert isinstance(started, ProcessStarted)
        # The same start again finds it.
        assert await scope.process(registry, start) == started
        record = started.record
    assert record.status == ProcessRunning()
    assert await registry.events_after("p2", 0) == []
    assert registry.statistics().leases == 0
    assert [record.id for record in await registry.list_non_terminal()] == ["p1", "p2"]
