"""Waits that the row of a process shows, for hosts that know a way of their own to wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

from ..abc import LocalExecution, ProcessLocalExecution
from ..model import EffectEnvelope, EffectOutcome, JsonObject, WaitState

WriteWait: TypeAlias = Callable[[WaitState], Awaitable[JsonObject | None]]
"""Makes the row show a wait; returns what is waited for where it is there already, and
then nothing is shown."""


@attrs.frozen
class ShownWait(LocalExecution):
    """How to wait, and how the row of the process shows it.

    A host that just executes it waits as ``inner`` does, and the row shows nothing.  A
    host with waits of its own parks the task first, with what writes the row there.

    Args:
        inner: how to wait here.
        park: notes that the task waits, and has the row written.
    """

    inner: LocalExecution
    park: Callable[[EffectEnvelope, WriteWait], Awaitable[JsonObject | None]]

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Wait as ``inner`` does."""
        return await self.inner.execute(envelope)

    def into_process(self) -> ProcessLocalExecution:
        """What ``inner`` says."""
        return self.inner.into_process()
