"""What faulty hosts are built with."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from lash_trio import (
    DurabilityTier,
    EffectEnvelope,
    EffectOutcome,
    EffectScope,
    InlineEffectController,
    InlineEffectHost,
)
from lash_trio.abc import EffectController, EffectHandle, EffectHost, LocalExecution, ScopedEffects


class FaultyHandle(EffectHandle):
    """Passes everything on to another handle."""

    def __init__(self, inner: EffectHandle) -> None:
        self.inner = inner

    @property
    def envelope(self) -> EffectEnvelope:
        return self.inner.envelope

    @property
    def done(self) -> bool:
        return self.inner.done

    async def result(self) -> EffectOutcome:
        return await self.inner.result()

    def cancel(self, reason: str | None = None) -> None:
        self.inner.cancel(reason)


class FaultyScope(ScopedEffects):
    """Passes everything on to another scope."""

    handle_class: Callable[[EffectHandle], EffectHandle] = FaultyHandle

    def __init__(self, inner: ScopedEffects, host: "FaultyHost") -> None:
        self.inner = inner
        self.host = host

    @property
    def durability_tier(self) -> DurabilityTier:
        return self.inner.durability_tier

    @property
    def effect_scope(self) -> EffectScope:
        return self.inner.effect_scope

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        return await self.inner.execute_effect(envelope, local_executor)

    def start_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectHandle:
        return self.handle_class(self.inner.start_effect(envelope, local_executor))

    def cancel(self, reason: str | None = None) -> None:
        self.inner.cancel(reason)

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def wait_close_requested(self) -> None:
        await self.inner.wait_close_requested()


class FaultyHost(EffectHost):
    """Opens faulty scopes on an inline host."""

    scope_class: type[FaultyScope] = FaultyScope
    controller: type[EffectController] = InlineEffectController

    def __init__(self) -> None:
        self.inner = InlineEffectHost(self.controller())
        self.opened: list[FaultyScope] = []

    @asynccontextmanager
    async def scoped(self, scope: EffectScope) -> AsyncIterator[ScopedEffects]:
        async with self.inner.scoped(scope) as inner:
            opened = self.scope_class(inner, self)
            self.opened.append(opened)
            yield opened
