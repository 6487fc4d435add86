"""Signals that a process has got and never waited for."""

from __future__ import annotations

from collections.abc import Mapping

from ..abc import ProcessRegistry
from ..model import MAX_SEQUENCE, JsonValue, signal_name_of
from ._definitions import ProcessDefinition


async def unheard_signals(
    registry: ProcessRegistry,
    process_id: str,
    definition: ProcessDefinition,
    consumed: Mapping[str, int],
) -> dict[str, JsonValue]:
    """How many signals of each name nobody waited for; names with none are left out.

    Args:
        registry: keeps the log.
        process_id: whose signals.
        definition: declares them.
        consumed: how many of each event type the process has got.
    """
    unheard: dict[str, JsonValue] = {}
    for event_type in definition.event_types:
        signal = signal_name_of(event_type.name)
        if signal is None:
            continue
        count = await registry.count_events_through(process_id, event_type.name, MAX_SEQUENCE)
        left = count - consumed.get(event_type.name, 0)
        if left > 0:
            unheard[signal] = left
    return unheard
