"""Effect hosts with one bug each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from lash_trio import (
    DurabilityTier,
    EffectEnvelope,
    EffectError,
    EffectOutcome,
    EffectScope,
    InlineEffectController,
)
from lash_trio.abc import EffectHandle, LocalExecution, ScopedEffects

from .base_host import FaultyHandle, FaultyHost, FaultyScope


class ClaimsDurability(FaultyHost):
    """Says that it is durable, with scopes that are not."""

    @property
    def durability_tier(self) -> DurabilityTier:
        return DurabilityTier.DURABLE


class AcceptsBlankScopes(FaultyHost):
    """Opens a scope with a blank id under another one."""

    @asynccontextmanager
    async def scoped(self, scope: EffectScope) -> AsyncIterator[ScopedEffects]:
        named = {name: getattr(scope, name).strip() or "blank" for name in scope.id_names}
        async with super().scoped(attrs.evolve(scope, **named)) as opened:  # type: ignore[misc]
            yield opened


class ForgetsItsIdentity(FaultyHost):
    """Takes every scope for an operation of the runtime."""

    class scope_class(FaultyScope):  # noqa: N801
        @property
        def effect_scope(self) -> EffectScope:
            return EffectScope.runtime_operation(self.inner.scope_id)


class RunsOneEffectAtATime(FaultyHost):
    """Runs an effect only when the one before has ended."""

    class controller(InlineEffectController):  # noqa: N801
        def __init__(self) -> None:
            self.lock = trio.Lock()

        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            async with self.lock:
                return await super().execute_effect(envelope, local_executor)


class WrapsFailures(FaultyHost):
    """Raises the failure of an effect in a group."""

    class scope_class(FaultyScope):  # noqa: N801
        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            try:
                return await super().execute_effect(envelope, local_executor)
            except EffectError as error:
                raise ExceptionGroup("an effect failed", [error]) from None


class FailsAltogether(FaultyHost):
    """Cancels all effects of a scope when one of them fails."""

    class scope_class(FaultyScope):  # noqa: N801
        def start_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectHandle:
            scope = self

            class Failing:
                async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
                    try:
                        return await local_executor.execute(envelope)
                    except EffectError:
                        scope.cancel("a sibling failed")
                        raise

                into_process = local_executor.into_process

            return super().start_effect(envelope, Failing())


class ReturnsWithoutCheckpoint(FaultyHost):
    """Returns the result of an effect that is done without a checkpoint."""

    class scope_class(FaultyScope):  # noqa: N801
        class handle_class(FaultyHandle):  # noqa: N801
            outcome: EffectOutcome | None = None

            async def result(self) -> EffectOutcome:
                if self.outcome is None:
                    self.outcome = await super().result()
                return self.outcome


class IsNeverDone(FaultyHost):
    """Does not know when an effect has ended."""

    class scope_class(FaultyScope):  # noqa: N801
        class handle_class(FaultyHandle):  # noqa: N801
            done = False


class TellsOnce(FaultyHost):
    """Gives the result of an effect to the first who asks."""

    class scope_class(FaultyScope):  # noqa: N801
        class handle_class(FaultyHandle):  # noqa: N801
            asked = 0

            async def result(self) -> EffectOutcome:
                self.asked += 1
                if self.asked > 1:
                    raise EffectError("told_already", "somebody has asked before")
                return await super().result()


class CancelsWithTheWait(FaultyHost):
    """Cancels an effect when a wait for its result is cancelled."""

    class scope_class(FaultyScope):  # noqa: N801
        class handle_class(FaultyHandle):  # noqa: N801
            async def result(self) -> EffectOutcome:
                try:
                    return await super().result()
                except trio.Cancelled:
                    self.cancel("nobody waits any more")
                    raise


class CancelsAllScopes(FaultyHost):
    """Cancels the scopes of others as well."""

    class scope_class(FaultyScope):  # noqa: N801
        def cancel(self, reason: str | None = None) -> None:
            for opened in self.host.opened:
                opened.inner.cancel(reason)


class ClosesWithoutWaiting(FaultyHost):
    """Cancels the effects of a scope that is closed."""

    class scope_class(FaultyScope):  # noqa: N801
        async def aclose(self) -> None:
            self.inner.cancel("closed")
            await super().aclose()


class ForgetsOutcomes(FaultyHost):
    """Returns another outcome than the executor's."""

    class scope_class(FaultyScope):  # noqa: N801
        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            outcome = await super().execute_effect(envelope, local_executor)
            return attrs.evolve(outcome, value=None)  # type: ignore[misc]
