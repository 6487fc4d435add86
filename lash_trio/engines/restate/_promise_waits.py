"""Waits for events of a process that has no log: promises of its workflow."""

from __future__ import annotations

import attrs

from ...abc import EffectController, LocalExecution
from ...kernel import InlineEffectController
from ...model import (
    AwaitEventOutcome,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    PluginError,
    PluginReason,
)
from ._attempt import Attempt
from ._ways import (
    AskedWait,
    DurableSleep,
    DurableWays,
    NoProcessControl,
    event_payload,
    invalid_ordinal,
    wait_command,
)


@attrs.frozen(kw_only=True)
class PromiseWays(DurableWays):
    """A process that waits for its own signals only.

    Args:
        attempt: at its invocation.
        process_id: whose.
        event_types: those that it may have.
    """

    attempt: Attempt
    process_id: str
    event_types: frozenset[str]

    def wait_event(self, asked: AskedWait) -> LocalExecution:
        """Waits for a promise."""
        return _PromiseWait(self, asked)

    def sleep(self, asked: AskedWait) -> LocalExecution:
        """Waits for a timer."""
        return DurableSleep(self.attempt, asked.name)

    def commands(self, prefix: str) -> EffectController:
        """Asks the registry, which refuses."""
        return InlineEffectController()


@attrs.frozen
class _PromiseWait(NoProcessControl):
    ways: PromiseWays
    asked: AskedWait

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        command = wait_command(envelope)
        key = self._promise_key(envelope, command.key)
        attempt = self.ways.attempt
        if command.timeout_ms is None:
            value: bytes | None = await attempt.promise(key)
            self.asked.on_derived(envelope.replay_key)
        else:
            value = await attempt.promise_until(key, self.asked.name, command.timeout_ms)
        if value is None:
            return AwaitEventOutcome(payload=None, timed_out=True)
        return AwaitEventOutcome(payload=event_payload(value))

    def _promise_key(self, envelope: EffectEnvelope, key: str) -> str:
        process_id = self.ways.process_id
        own = f"process:{process_id}:"
        event_type, _, ordinal = key.removeprefix(own).rpartition(":")
        if not key.startswith(own) or not ordinal.removeprefix("-").isdecimal():
            raise EffectError(
                EffectErrorCode.EXECUTOR_UNAVAILABLE,
                f"the effect {envelope.effect_id!r} waits for {key!r}, and without a registry a "
                f"process can wait for events of its own only, here {process_id!r}; have the "
                "other process send a signal, or give the endpoint a registry",
            )
        if int(ordinal) < 1:
            raise invalid_ordinal(envelope, event_type, int(ordinal))
        if event_type not in self.ways.event_types:
            raise PluginError(
                PluginReason.UNDECLARED_EVENT_TYPE,
                f"process {process_id!r} does not declare {event_type!r}; it "
                f"declares {', '.join(sorted(self.ways.event_types))}",
            )
        return f"{event_type}:{ordinal}"
