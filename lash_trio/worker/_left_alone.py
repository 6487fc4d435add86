"""Rows that a worker does not run: why, and for how long."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable

import trio

from ..model import FunctionInput, ProcessLease, ProcessRecord, RerunDisposition
from ._definitions import ProcessDefinitions
from ._pauses import Pause

_logger = logging.getLogger("lash_trio.worker")

_MOST_SAID = 100


class LeftAlone:
    """What is told of rows that are not run, in the statistics and in the log.

    It contains the rows that this worker cannot run whatever happens, as its definitions
    are; the log says once of each definition that it is missing or another one here.

    Args:
        definitions: what the worker can run.
        owner_id: whose worker it is.
    """

    def __init__(self, definitions: ProcessDefinitions, owner_id: str) -> None:
        self._definitions = definitions
        self._owner_id = owner_id
        self._not_for_here: dict[str, str] = {}
        self._for_now: dict[str, str] = {}
        self._pauses: dict[str, Pause] = {}
        self._said: set[str] = set()

    def __contains__(self, process_id: object) -> bool:
        return process_id in self._not_for_here

    def reasons(self) -> dict[str, str]:
        """Why each row is left alone.  Not a checkpoint."""
        now = trio.current_time()
        paused = {
            process_id: f"its last run broke off ({pause.why}); it is tried again in {left:.1f} s"
            for process_id, pause in self._pauses.items()
            if (left := pause.until - now) > 0
        }
        return {**self._not_for_here, **self._for_now, **paused}

    def can_run(self, record: ProcessRecord) -> bool:
        """Whether a row can be run here and now; if not, that is noted."""
        self._for_now.pop(record.id, None)
        why = self._hindrance(record)
        if why is None:
            self._not_for_here.pop(record.id, None)
            pause = self._pauses.get(record.id)
            return pause is None or pause.until <= trio.current_time()
        self._not_for_here[record.id] = why
        return False

    def note(self, process_id: str, why: str) -> None:
        """Note why a row is left alone until the next look."""
        self._for_now[process_id] = why

    def note_held(self, leases: Iterable[ProcessLease], now_ms: int) -> None:
        """Note what other owners hold, until the next look."""
        for lease in leases:
            left_ms = max(lease.expires_at_epoch_ms - now_ms, 0)
            self._for_now[lease.process_id] = (
                f"it is leased to {lease.owner_id!r} for another {left_ms} ms"
            )

    def begin_look(self, everything: bool) -> None:
        """Forget what a look will find again."""
        self._for_now = {}
        if everything:
            self._not_for_here = {}

    def forget_pauses(self, but: Container[str]) -> None:
        """Forget the pauses of rows that are gone."""
        self._pauses = {i: pause for i, pause in self._pauses.items() if i in but}

    def ended_run(self, process_id: str, fault: Exception | None) -> float | None:
        """Note how a run ended; returns until when its row is paused, on trio's clock."""
        last = self._pauses.pop(process_id, None)
        if fault is None:
            return None
        pause = Pause.after(fault, last, trio.current_time())
        self._pauses[process_id] = pause
        return pause.until

    def _hindrance(self, record: ProcessRecord) -> str | None:
        """Why a row is not to be run by this worker, or None."""
        match record.input:
            case FunctionInput(rerun=RerunDisposition.EXTERNAL):
                return "it is external: no worker runs it"
            case FunctionInput(name=name) if name not in self._definitions:
                return self._say(record, f"there is no definition {name!r} here")
            case FunctionInput(name=name, rerun=rerun):
                here = self._definitions.get(name).rerun
                if here is rerun:
                    return None
                return self._say(
                    record, f"the row is {rerun}, the definition {name!r} here is {here}"
                )
            case other:
                return f"its input is {other.tag}, and this worker runs functions"

    def _say(self, record: ProcessRecord, why: str) -> str:
        # What it says names the definition: once each, and not without end.
        if why not in self._said and len(self._said) < _MOST_SAID:
            self._said.add(why)
            _logger.warning(
                "process %s is left alone, and all others like it: %s",
                record.id,
                why,
                extra={"process_id": record.id, "owner_id": self._owner_id},
            )
        return why
