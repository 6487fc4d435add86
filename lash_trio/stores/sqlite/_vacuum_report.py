"""What was deleted of a file."""

from __future__ import annotations

import attrs

ROWS_A_TRANSACTION = 10_000
"""After how many deleted rows others may write; what belongs together goes together."""


@attrs.frozen(kw_only=True)
class VacuumReport:
    """What was deleted.

    Args:
        processes: processes that had ended.
        events: events of their logs.
        grants: grants that made them visible.
        outcomes: recorded outcomes of scopes: those of the processes, and turns.
        leases: leases of processes and scopes, expired ones that nobody gave back.
        turns: scopes that belong to no process: turns, queue drains and others.
        attachments: attachments that nothing referred to.
        artifacts: artifacts that nothing referred to.
    """

    processes: int = 0
    events: int = 0
    grants: int = 0
    outcomes: int = 0
    leases: int = 0
    turns: int = 0
    attachments: int = 0
    artifacts: int = 0

    def __add__(self, other: VacuumReport) -> VacuumReport:
        """Both together."""
        return VacuumReport(
            processes=self.processes + other.processes,
            events=self.events + other.events,
            grants=self.grants + other.grants,
            outcomes=self.outcomes + other.outcomes,
            leases=self.leases + other.leases,
            turns=self.turns + other.turns,
            attachments=self.attachments + other.attachments,
            artifacts=self.artifacts + other.artifacts,
        )

    @property
    def rows(self) -> int:
        """How many rows went."""
        of_processes = self.processes + self.events + self.grants
        of_scopes = self.outcomes + self.leases + self.turns
        return of_processes + of_scopes + self.attachments + self.artifacts
