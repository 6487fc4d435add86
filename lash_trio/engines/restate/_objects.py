"""The virtual objects that hold a registry, and their handlers."""

from __future__ import annotations

from . import _log_reads
from ._grants_object import GRANTS_HANDLERS
from ._index_object import INDEX_HANDLERS
from ._log_changed import changed
from ._log_object import LogWrites
from ._object import GRANTS_SERVICE, INDEX_SERVICE, LOG_SERVICE, ObjectHandler, Objects

# Who follows a log waits most of the time.  Suspended, that takes none of the places that
# Restate has for what runs, of which a thousand followed processes would take all.
_FOLLOW_MS = 1000


def registry_objects(*, runs_processes: bool) -> Objects:
    """The handlers of the registry, by service and name.

    Args:
        runs_processes: whether the same server runs the processes that are registered.
    """
    writes = LogWrites(runs_processes)
    log = {
        "register_process": ObjectHandler(writes.register_process),
        "set_external_ref": ObjectHandler(writes.set_external_ref),
        "append_event": ObjectHandler(writes.append_event),
        "complete_process": ObjectHandler(writes.complete_process),
        "ack_wake": ObjectHandler(writes.ack_wake),
        "set_process_wait": ObjectHandler(writes.set_process_wait),
        "clear_process_wait": ObjectHandler(writes.clear_process_wait),
        "park": ObjectHandler(writes.park),
        "unpark": ObjectHandler(writes.unpark),
        "claim_process_lease": ObjectHandler(writes.claim_process_lease),
        "renew_process_lease": ObjectHandler(writes.renew_process_lease),
        "complete_process_lease": ObjectHandler(writes.complete_process_lease),
        "complete_leased_process": ObjectHandler(writes.complete_leased_process),
        "get_process": ObjectHandler(_log_reads.get_process, is_shared=True),
        "events_after": ObjectHandler(_log_reads.events_after, is_shared=True),
        "recent_events": ObjectHandler(_log_reads.recent_events, is_shared=True),
        "count_events_through": ObjectHandler(_log_reads.count_events_through, is_shared=True),
        "wake_events_after": ObjectHandler(_log_reads.wake_events_after, is_shared=True),
        "nth_event": ObjectHandler(_log_reads.nth_event, is_shared=True),
        "first_after": ObjectHandler(_log_reads.first_after, is_shared=True),
        "event_at": ObjectHandler(_log_reads.event_at, is_shared=True),
        "await_output": ObjectHandler(_log_reads.await_output, is_shared=True),
        "changed": ObjectHandler(changed, is_shared=True, inactivity_ms=_FOLLOW_MS),
    }
    return {LOG_SERVICE: log, INDEX_SERVICE: INDEX_HANDLERS, GRANTS_SERVICE: GRANTS_HANDLERS}
