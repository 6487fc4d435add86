"""Which signal of a name comes next."""

from __future__ import annotations

from ..kernel import TaskPath
from ..model import EffectError, EffectErrorCode


class SignalOrdinals:
    """Keeps the ordinals of one process's signals.

    Two tasks that both leave the ordinals of one name to the context would get
    them in the order in which they happen to run, so the first that does owns the
    name; and what other tasks get by naming ordinals does not move its own.
    """

    def __init__(self) -> None:
        self._owners: dict[str, TaskPath] = {}
        self._last: dict[tuple[str, TaskPath], int] = {}
        self._got: dict[str, set[int]] = {}

    @property
    def consumed(self) -> dict[str, int]:
        """How many signals of each event type the process has got."""
        return {event_type: len(ordinals) for event_type, ordinals in self._got.items()}

    def next(self, event_type: str, path: TaskPath) -> int:
        """The ordinal after the last one that the task has got.

        Raises:
            EffectError: code ``effect_path_shared``, where another task owns the name.
        """
        if self._owners.setdefault(event_type, path) is not path:
            raise EffectError(
                EffectErrorCode.PATH_SHARED,
                f"two tasks wait for the next {event_type!r}; which of them gets which would "
                "depend on the order in which they run. Give the ordinals yourself, or let one "
                "task wait and hand on",
            )
        return self._last.get((event_type, path), 0) + 1

    def consume(self, event_type: str, ordinal: int, path: TaskPath) -> None:
        """Note that a task got the signal with an ordinal."""
        place = (event_type, path)
        self._last[place] = max(self._last.get(place, 0), ordinal)
        self._got.setdefault(event_type, set()).add(ordinal)
