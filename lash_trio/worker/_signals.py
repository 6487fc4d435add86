"""Which signal of a name comes next."""

from __future__ import annotations

from ..kernel import TaskPath
from ..model import EffectError, EffectErrorCode


class SignalOrdinals:
    """Keeps the ordinals of one process's signals.

    Two tasks that both leave the ordinals of one name to the context would get
    them in the order in which they happen to run, so the first that does owns the
    name.
    """

    def __init__(self) -> None:
        self._owners: dict[str, TaskPath] = {}
        self._next: dict[str, int] = {}
        self.consumed: dict[str, int] = {}

    def next(self, event_type: str, path: TaskPath) -> int:
        """The ordinal of the next signal that a task has not got.

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
        return self._next.get(event_type, 1)

    def consume(self, event_type: str, ordinal: int) -> None:
        """Note that the signal with an ordinal was got."""
        self._next[event_type] = max(self._next.get(event_type, 1), ordinal + 1)
        self.consumed[event_type] = self.consumed.get(event_type, 0) + 1
