"""Scopes, effects, cancellation, waits and the inline host, on trio."""

from __future__ import annotations

from ._clock import SystemClock as SystemClock, TrioClock as TrioClock
from ._effect import StartedEffect as StartedEffect
from ._effects import milliseconds as milliseconds
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
from ._scope import ScopedEffectController as ScopedEffectController
from ._waits import END as END, EventWaiters as EventWaiters, WaitSlot as WaitSlot
