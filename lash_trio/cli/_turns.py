"""The effects of model turns, for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from .. import EffectScope, ExternalInput, JournalEntry, Ok
from ._turn_words import tokens_text

if TYPE_CHECKING:
    from .. import LlmUsage, ProcessRecord
    from ..stores.sqlite import SqliteStores


async def turn_entries(stores: SqliteStores, record: ProcessRecord) -> list[JournalEntry]:
    """The recorded effects of a session's turns, where the process is their queue.

    Args:
        stores: of the file.
        record: of the process.

    Returns:
        The entries, the turn in front of their keys; none where it is another process.
    """
    from ..turns import TURN_INPUT

    metadata = record.input.metadata if isinstance(record.input, ExternalInput) else None
    session_id = metadata.get("queue_of_session") if isinstance(metadata, dict) else None
    if not isinstance(session_id, str):
        return []
    events = await stores.registry.events_after(record.id, 0)
    entries: list[JournalEntry] = []
    for number in range(1, sum(event.event_type == TURN_INPUT for event in events) + 1):
        turn_id = f"turn-{number}"
        entries += [
            attrs.evolve(entry, replay_key=f"{turn_id}/{entry.replay_key}")
            for entry in await stores.journal.entries_of(EffectScope.turn(session_id, turn_id))
        ]
    return entries


def began_ms(entry: JournalEntry) -> int | None:
    """When a tool call began, which is recorded with it; None for all others."""
    from .. import ToolCallEffectOutcome

    match entry.outcome:
        case Ok(value=ToolCallEffectOutcome(result=result)):
            return entry.recorded_at_ms - result.duration_ms
        case _:
            return None


def tokens_of(entries: Iterable[JournalEntry]) -> str | None:
    """The tokens of all model calls together, or None where there were none."""
    usages = [usage for entry in entries if (usage := _usage(entry)) is not None]
    if not usages:
        return None
    return tokens_text(
        sum(usage.input_tokens for usage in usages), sum(usage.output_tokens for usage in usages)
    )


def _usage(entry: JournalEntry) -> LlmUsage | None:
    from .. import DirectOutcome, LlmCallOutcome

    match entry.outcome:
        case Ok(value=LlmCallOutcome(result=Ok(value=answer))):
            return answer.usage
        case Ok(value=DirectOutcome(result=Ok(value=answer))):
            return answer.usage
        case _:
            return None
