"""What a turn tells while it runs.  For people who watch; nothing of it is recorded."""

from __future__ import annotations

import attrs

from ._llm import LlmCallError, LlmUsage


class TurnStreamEvent:
    """One thing that happened in a running turn; match on the subclasses."""

    __slots__ = ()


@attrs.frozen(kw_only=True)
class TextDelta(TurnStreamEvent):
    """The model has said more."""

    text: str


@attrs.frozen(kw_only=True)
class ReasoningDelta(TurnStreamEvent):
    """The model has reasoned further."""

    text: str


@attrs.frozen(kw_only=True)
class ToolCallStarted(TurnStreamEvent):
    """A tool call runs."""

    call_id: str
    tool_name: str


@attrs.frozen(kw_only=True)
class ToolCallEnded(TurnStreamEvent):
    """A tool call has run."""

    call_id: str
    tool_name: str
    is_error: bool
    duration_ms: int


@attrs.frozen(kw_only=True)
class CodeOutput(TurnStreamEvent):
    """Executed code has printed something."""

    text: str


@attrs.frozen(kw_only=True)
class CallRetried(TurnStreamEvent):
    """A model call failed and is made again after a pause.

    Args:
        attempt: which attempt failed, from 1.
        pause_seconds: until the next one.
        error: why it failed.
    """

    attempt: int
    pause_seconds: float
    error: LlmCallError


@attrs.frozen(kw_only=True)
class UsageCounted(TurnStreamEvent):
    """A model call used tokens.

    Args:
        source: what they are counted under.
        usage: how many of which.
    """

    source: str
    usage: LlmUsage
