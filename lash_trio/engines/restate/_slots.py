"""What somebody can park an awakeable for."""

from __future__ import annotations

import attrs

from ...model import EffectErrorCode, InvalidValueError, JsonValue, WireError, parse_json
from ._answer import Asked

END_SLOT = "end"
"""The end of the process."""


def event_slot(event_type: str, ordinal: int) -> str:
    """An event by its type and its number among those of the type."""
    return f"{event_type}:{ordinal}"


def sequence_slot(sequence: int) -> str:
    """An event by its number, whatever its type."""
    return f"#{sequence}"


@attrs.frozen(kw_only=True)
class AskedSlot:
    """A slot as a request names it; of the three fields one says which.

    Args:
        event_type: of the event, where it is waited for by type.
        ordinal: its number among those of its type.
        sequence: the number of the event, where it is waited for by number.
    """

    event_type: str | None = None
    ordinal: int = 0
    sequence: int | None = None

    @property
    def name(self) -> str:
        """Under which it is kept."""
        if self.event_type is not None:
            return event_slot(self.event_type, self.ordinal)
        return END_SLOT if self.sequence is None else sequence_slot(self.sequence)


def slot_of(asked: Asked) -> AskedSlot:
    """The slot that a request names.

    Raises:
        WireError: it names none.
        InvalidValueError: the number of an event that is none.
    """
    slot = Asked(asked.take(dict[str, JsonValue], "slot"))
    if "type" in slot.members:
        return AskedSlot(event_type=slot.take(str, "type"), ordinal=slot.take(int, "ordinal"))
    if "sequence" in slot.members:
        sequence = slot.take(int, "sequence")
        if sequence < 1:
            raise InvalidValueError(f"events are numbered from 1, got {sequence}")
        return AskedSlot(sequence=sequence)
    if slot.find(bool, "end"):
        return AskedSlot()
    raise WireError(
        EffectErrorCode.INVALID_VALUE,
        "expected a 'slot' that is {'type', 'ordinal'}, {'sequence'} or {'end': true}, "
        f"got {slot.members!r}",
    )


def parked_from_text(text: str | None) -> list[str]:
    """The awakeables that are kept for a slot."""
    value: JsonValue = None if text is None else parse_json(text)
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
