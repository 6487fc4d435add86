"""The life of one effect, and of one scope, as tables."""

from __future__ import annotations

from enum import Enum, auto


class EffectState(Enum):
    """Where an effect is in its life."""

    RUNNING = auto()
    CANCELLING = auto()
    """Somebody asked for its cancellation; it has not ended yet."""
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()
    """It ended with the typed error of a requested cancellation."""
    ABANDONED = auto()
    """A cancellation from outside went through it; nothing is recorded."""


class EffectSignal(Enum):
    """What can happen to an effect."""

    CANCEL_REQUESTED = auto()
    RETURNED = auto()
    RAISED = auto()
    CANCEL_CAUGHT = auto()
    """Its own cancel scope caught the cancellation."""
    UNWOUND = auto()
    """A cancellation from outside, or the end of the program, went through it."""


_E, _S = EffectState, EffectSignal

EFFECT_TRANSITIONS: dict[tuple[EffectState, EffectSignal], EffectState] = {
    (_E.RUNNING, _S.CANCEL_REQUESTED): _E.CANCELLING,
    (_E.RUNNING, _S.RETURNED): _E.SUCCEEDED,
    (_E.RUNNING, _S.RAISED): _E.FAILED,
    (_E.RUNNING, _S.UNWOUND): _E.ABANDONED,
    (_E.CANCELLING, _S.CANCEL_REQUESTED): _E.CANCELLING,
    # A completed outcome is never thrown away, whoever asked for what before.
    (_E.CANCELLING, _S.RETURNED): _E.SUCCEEDED,
    (_E.CANCELLING, _S.RAISED): _E.FAILED,
    (_E.CANCELLING, _S.CANCEL_CAUGHT): _E.CANCELLED,
    # If both cancellations have happened, the outer one wins.
    (_E.CANCELLING, _S.UNWOUND): _E.ABANDONED,
    # What has ended stays as it is.
    (_E.SUCCEEDED, _S.CANCEL_REQUESTED): _E.SUCCEEDED,
    (_E.FAILED, _S.CANCEL_REQUESTED): _E.FAILED,
    (_E.CANCELLED, _S.CANCEL_REQUESTED): _E.CANCELLED,
    (_E.ABANDONED, _S.CANCEL_REQUESTED): _E.ABANDONED,
}


class ScopeState(Enum):
    """Where an opened scope is in its life."""

    OPEN = auto()
    CANCELLED = auto()
    """Somebody cancelled it: its effects end with typed errors, its block goes on."""
    CLOSING = auto()
    """Its block has been left, or a cancellation from outside reached it."""
    CLOSED = auto()


class ScopeSignal(Enum):
    """What can happen to an opened scope."""

    CANCEL_REQUESTED = auto()
    OUTER_CANCELLATION = auto()
    BLOCK_LEFT = auto()
    EFFECTS_ENDED = auto()


_C, _G = ScopeState, ScopeSignal

SCOPE_TRANSITIONS: dict[tuple[ScopeState, ScopeSignal], ScopeState] = {
    (_C.OPEN, _G.CANCEL_REQUESTED): _C.CANCELLED,
    (_C.OPEN, _G.OUTER_CANCELLATION): _C.CLOSING,
    (_C.OPEN, _G.BLOCK_LEFT): _C.CLOSING,
    (_C.CANCELLED, _G.CANCEL_REQUESTED): _C.CANCELLED,
    (_C.CANCELLED, _G.OUTER_CANCELLATION): _C.CLOSING,
    (_C.CANCELLED, _G.BLOCK_LEFT): _C.CLOSING,
    (_C.CLOSING, _G.CANCEL_REQUESTED): _C.CLOSING,
    (_C.CLOSING, _G.OUTER_CANCELLATION): _C.CLOSING,
    (_C.CLOSING, _G.BLOCK_LEFT): _C.CLOSING,
    (_C.CLOSING, _G.EFFECTS_ENDED): _C.CLOSED,
    (_C.CLOSED, _G.CANCEL_REQUESTED): _C.CLOSED,
    (_C.CLOSED, _G.OUTER_CANCELLATION): _C.CLOSED,
}
