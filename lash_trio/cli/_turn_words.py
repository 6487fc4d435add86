"""What came of the effects of model turns, in words."""

from __future__ import annotations

from .. import EffectKind, EffectOutcome, Err, Ok
from ._words import brief, one_line

MODEL_KINDS = frozenset({EffectKind.LLM_CALL, EffectKind.DIRECT})
TOOL_KINDS = frozenset({EffectKind.TOOL_CALL, EffectKind.EXEC_CODE})
_KINDS = MODEL_KINDS | TOOL_KINDS | {EffectKind.CHECKPOINT}

_TEXT_LENGTH = 60


def describe_turn_outcome(outcome: EffectOutcome) -> str | None:
    """What came of an effect of a turn; None for effects of other kinds."""
    if outcome.kind not in _KINDS:
        return None
    from .. import (
        CheckpointOutcome,
        DirectOutcome,
        ExecCodeOutcome,
        LlmCallOutcome,
        ToolCallEffectOutcome,
    )

    match outcome:
        case LlmCallOutcome(result=Ok(value=answer)) | DirectOutcome(result=Ok(value=answer)):
            usage = answer.usage
            tokens = tokens_text(usage.input_tokens, usage.output_tokens)
            said = one_line(answer.full_text)
            if len(said) > _TEXT_LENGTH:
                said = f"{said[:_TEXT_LENGTH]}..."
            return f"{said or answer.terminal_reason} ({tokens})"
        case LlmCallOutcome(result=Err(error=error)) | DirectOutcome(result=Err(error=error)):
            return f"failed: {one_line(error.message)}"
        case ToolCallEffectOutcome(result=result):
            return brief(result.model_return)
        case ExecCodeOutcome(result=Ok(value=response)):
            return one_line(response.error or " ".join(response.observations))
        case ExecCodeOutcome(result=Err(error=message)):
            return f"not run: {one_line(message)}"
        case CheckpointOutcome(result=Ok(value=delivery)):
            count = len(delivery.messages) + len(delivery.turn_causes)
            return f"{count} new messages" if count else "nothing new"
        case _:
            return None


def is_bad_outcome(outcome: EffectOutcome) -> bool:
    """Whether a model call, a tool call or code has failed."""
    if outcome.kind not in MODEL_KINDS | TOOL_KINDS:
        return False
    from .. import ToolCallEffectOutcome

    if isinstance(outcome, ToolCallEffectOutcome):
        return outcome.result.output.outcome.tag != "success"
    return isinstance(getattr(outcome, "result", None), Err)


def tokens_text(into: int, out: int) -> str:
    """Tokens in and out."""
    return f"{into:,} tokens in, {out:,} out"
