"""What registries and journals may lose between two openings."""

import attrs

from lash_trio import MemoryProcessRegistry, ProcessRunning
from lash_trio.model import LeaseState
from lash_trio.stores.memory import MemoryEffectJournal
from lash_trio.stores.memory._grants import GrantTable
from lash_trio.stores.memory._log import ProcessLog


def _logs(registry: MemoryProcessRegistry) -> list[ProcessLog]:
    return list(registry._logs.values())


def loses_waits(registry: MemoryProcessRegistry) -> None:
    """Loses what processes wait for."""
    for log in _logs(registry):
        log.set_wait(None)


def loses_hashes(registry: MemoryProcessRegistry) -> None:
    """Loses the hashes of registrations."""
    for log in _logs(registry):
        log.replace_record(attrs.evolve(log.record, registration_hash=""))


def loses_the_last_event(registry: MemoryProcessRegistry) -> None:
    """Loses the last event of a log."""
    for log in _logs(registry):
        event = log.events.pop()
        log._sequences[event.event_type].pop()


def loses_replay_keys(registry: MemoryProcessRegistry) -> None:
    """Loses the replay keys of events."""
    for log in _logs(registry):
        log._recorded.clear()


def loses_ends(registry: MemoryProcessRegistry) -> None:
    """Loses that processes have ended."""
    for log in _logs(registry):
        log.is_terminal = False
        log.replace_record(attrs.evolve(log.record, status=ProcessRunning()))


def loses_grants(registry: MemoryProcessRegistry) -> None:
    """Loses all grants."""
    registry._grants = GrantTable()


def loses_acknowledgements(registry: MemoryProcessRegistry) -> None:
    """Loses that wakes were acknowledged."""
    for log in _logs(registry):
        log.wakes.update({event.sequence: event for event in log.events})


def loses_leases(registry: MemoryProcessRegistry) -> None:
    """Loses live leases."""
    for log in _logs(registry):
        log.lease = attrs.evolve(log.lease, lease=None)


def loses_fencing_tokens(registry: MemoryProcessRegistry) -> None:
    """Loses the fencing tokens of leases that were given back."""
    for log in _logs(registry):
        log.lease = LeaseState()


def loses_entries(journal: MemoryEffectJournal) -> None:
    """Loses what was recorded."""
    journal._scopes.clear()
