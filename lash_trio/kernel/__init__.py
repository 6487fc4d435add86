"""Scopes, effects, cancellation, waits and the inline host, on trio."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._clock import SystemClock as SystemClock, TrioClock as TrioClock
from ._durability import StoreFacet as StoreFacet, require_durable_store as require_durable_store
from ._effect import EffectRun as EffectRun, StartedEffect as StartedEffect
from ._effects import (
    EventToAwait as EventToAwait,
    effect_envelope as effect_envelope,
    milliseconds as milliseconds,
)
from ._executor import LocalExecutor as LocalExecutor
from ._inline import (
    InlineEffectController as InlineEffectController,
    InlineEffectHost as InlineEffectHost,
)
from ._nursery import (
    EffectNursery as EffectNursery,
    EffectNurseryManager as EffectNurseryManager,
)
from ._paths import TaskPath as TaskPath
from ._process_control import (
    request_process_cancel as request_process_cancel,
    run_process_command as run_process_command,
)
from ._replay import (
    ReplayController as ReplayController,
    ReplayingEffectHost as ReplayingEffectHost,
    ReplayOptions as ReplayOptions,
)
from ._scope import ScopedEffectController as ScopedEffectController
from ._shown_wait import ShownWait as ShownWait, WriteWait as WriteWait
from ._waits import (
    END as END,
    EventWaiters as EventWaiters,
    WaitSlot as WaitSlot,
    any_event as any_event,
)

if TYPE_CHECKING:
    from ._attachments import (
        llm_request_spec as llm_request_spec,
        resolve_attachments as resolve_attachments,
    )
    from ._turn_events import ChannelEvents as ChannelEvents
else:

    def __getattr__(name: str) -> object:
        # What model turns need is loaded late: see lash_trio.model.
        module = _LATE.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{module}", __name__), name)


_LATE = {
    "ChannelEvents": "_turn_events",
    "llm_request_spec": "_attachments",
    "resolve_attachments": "_attachments",
}
