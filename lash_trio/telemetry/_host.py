"""Effect hosts whose scopes and effects have spans."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from ..abc import EffectHost, ScopedEffects
from ..kernel import ScopedEffectController
from ..model import DurabilityTier, EffectScope
from ._names import DURABILITY_TIER, SCOPE_TYPE
from ._operation import Measures, Operation
from ._run import TracedRun
from ._scope import ScopeTrace
from ._telemetry import Telemetry


class TracedEffectHost(EffectHost):
    """A host with a span for each scope, and one for each effect.

    The spans: ``scope {type}``, below it ``effect {kind}``, below that what the effect
    does.  A replayed effect is told from one that ran by ``lash_trio.effect.replayed``.
    Effects that a scope refuses, since it is closed, have none.

    Metrics: ``lash_trio.scope.active``, ``lash_trio.scope.duration``,
    ``lash_trio.effect.active``, ``lash_trio.effect.duration``.

    Args:
        host: opens the scopes, which must be
            :class:`~lash_trio.ScopedEffectController` as for a worker.
        telemetry: where spans and metrics go.
    """

    def __init__(self, host: EffectHost, telemetry: Telemetry) -> None:
        self._host = host
        self._telemetry = telemetry

    @property
    def durability_tier(self) -> DurabilityTier:
        """That of the host."""
        return self._host.durability_tier

    @property
    def requires_durable_attachment_store(self) -> bool:
        """That of the host."""
        return self._host.requires_durable_attachment_store

    def scoped(self, scope: EffectScope) -> AbstractAsyncContextManager[ScopedEffectController]:
        """A scope for the length of an ``async with`` block.

        Raises:
            EffectError: code ``missing_effect_scope_id``, where an id is blank; what
                the host raises.
            TypeError: on entry, where the host opens scopes of another kind.
        """
        # The host's first: it refuses what it refuses at once.
        return self._open(self._host.scoped(scope), scope)

    @asynccontextmanager
    async def _open(
        self, opening: AbstractAsyncContextManager[ScopedEffects], scope: EffectScope
    ) -> AsyncGenerator[ScopedEffectController]:
        telemetry = self._telemetry
        trace = ScopeTrace(telemetry, scope)
        measures = Measures(
            duration=telemetry.instruments.scope_duration,
            active=telemetry.instruments.active_scopes,
            labels={SCOPE_TYPE: scope.tag},
        )
        name = f"scope {scope.tag}"
        with Operation(
            telemetry, name, trace.attributes, parent=trace.marked_context(), measures=measures
        ) as operation:
            trace.began(operation.span)
            async with opening as opened:
                if not isinstance(opened, ScopedEffectController):
                    raise TypeError(
                        f"a traced host must open a ScopedEffectController, got {opened!r}"
                    )
                opened.run_effects_as(partial(TracedRun, trace=trace))
                operation.span.set_attribute(DURABILITY_TIER, opened.durability_tier.value)
                yield opened
