"""The ports: what a host, a controller, a registry or a store has to be.

Implement these to bring your own; ``lash_trio.testing`` holds checks for them.
Imports of this module: the model, and trio for the nursery that a host is given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import attrs
import trio

from .model import (
    AttachmentCreateMeta,
    AttachmentRef,
    DurabilityTier,
    EffectEnvelope,
    EffectOutcome,
    EffectScope,
    JournalEntry,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessExternalRef,
    ProcessGrantEntry,
    ProcessHandleDescriptor,
    ProcessHandleGrant,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessListFilter,
    ProcessRecord,
    ProcessRegistration,
    ProcessSessionDeleteReport,
    ProcessStartGrant,
    SessionScope,
    WaitState,
)


class Clock(Protocol):
    """Tells the time of day."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch; never less than before."""
        ...


@attrs.frozen(kw_only=True)
class ProcessLocalExecution:
    """What a controller needs to run process commands here."""

    registry: ProcessRegistry


class LocalExecution(Protocol):
    """How to do one effect here; a durable controller may leave it unused."""

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        """Do it.

        Raises:
            EffectError: where this executor cannot do this effect, or has done one.
        """
        ...

    def into_process(self) -> ProcessLocalExecution:
        """What it takes to run a process command.

        Raises:
            EffectError: code ``runtime_effect_local_executor_unavailable``, where this
                is no executor of process commands.
        """
        ...


class EffectController(ABC):
    """The boundary: one verb through which all nondeterministic work goes."""

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long recorded outcomes last."""
        return DurabilityTier.INLINE

    @property
    def requires_durable_attachment_store(self) -> bool:
        """Whether attachments must outlive this operating-system process."""
        return False

    @abstractmethod
    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        """Run an effect, or return what it returned before.

        Args:
            envelope: what is asked for.
            local_executor: how to do it here.

        Returns:
            The outcome; of the kind of the envelope's command.

        Raises:
            EffectError: the effect failed, or could not be asked for.

        Always a checkpoint.  ``trio.Cancelled`` passes through and is never recorded.
        """


class EffectHandle(ABC):
    """One effect that was started and not awaited yet."""

    @property
    @abstractmethod
    def envelope(self) -> EffectEnvelope:
        """What was asked for."""

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether it has ended; :meth:`result` then does not wait."""

    @abstractmethod
    async def result(self) -> EffectOutcome:
        """Wait for the outcome.  May be called often, and from several tasks.

        Raises:
            EffectError: the effect failed or was cancelled by request; or, code
                ``effect_scope_closed``, its scope was left before it ended.

        Always a checkpoint.  Cancelling the wait does not cancel the effect.
        """

    @abstractmethod
    def cancel(self, reason: str | None = None) -> None:
        """Ask the effect to end as cancelled; nothing happens if it has ended.

        Args:
            reason: goes into the text of the error; the first reason stays.
        """


class ScopedEffects(EffectController):
    """An opened effect scope: owns every effect started in it."""

    @property
    @abstractmethod
    def effect_scope(self) -> EffectScope:
        """The identity of the scope."""

    @property
    def scope_id(self) -> str:
        """The turn, process, drain, session or operation id."""
        return self.effect_scope.id

    @property
    def turn_id(self) -> str | None:
        """The turn, or None where this is no turn's scope."""
        return self.effect_scope.turn_id

    @abstractmethod
    def start_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectHandle:
        """Start an effect in the scope's nursery.

        Raises:
            EffectError: code ``effect_scope_closed``.

        Not a checkpoint.
        """

    @abstractmethod
    def cancel(self, reason: str | None = None) -> None:
        """Ask all effects, those to come included, to end as cancelled."""

    @abstractmethod
    async def aclose(self) -> None:
        """Wait until no effect runs any more, and refuse all from then on.

        This is what leaving a block does.  Only for a scope of
        :meth:`EffectHost.scoped_in`; a block closes its own scope.

        Always a checkpoint.
        """

    @abstractmethod
    async def wait_close_requested(self) -> None:
        """Wait until somebody calls :meth:`aclose`.  Always a checkpoint."""


class EffectHost(ABC):
    """A deployment's factory of effect scopes."""

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long recorded outcomes last."""
        return DurabilityTier.INLINE

    @property
    def requires_durable_attachment_store(self) -> bool:
        """Whether attachments must outlive this operating-system process."""
        return False

    @abstractmethod
    def scoped(self, scope: EffectScope) -> AbstractAsyncContextManager[ScopedEffects]:
        """A scope for the length of an ``async with`` block, with a nursery of its own.

        Raises:
            EffectError: code ``missing_effect_scope_id``, where an id is blank.
        """

    async def scoped_in(self, nursery: trio.Nursery, scope: EffectScope) -> ScopedEffects:
        """A scope that lives in a nursery of the caller's, until :meth:`~ScopedEffects.aclose`.

        Like any service of a nursery it keeps the nursery open until it is closed or
        the nursery is cancelled.

        Raises:
            EffectError: code ``missing_effect_scope_id``, where an id is blank.

        Always a checkpoint.
        """
        opened: ScopedEffects = await nursery.start(_hold_open, self, scope)
        return opened


class ProcessRegistry(ABC):
    """Durable rows of processes, each with a log of numbered events.

    All methods raise :class:`~lash_trio.PluginError` where the registry refuses and
    :class:`~lash_trio.StoreError` where its store fails.  All are checkpoints.  A
    method that writes either has not begun or has finished when it is cancelled.
    A registry serves one trio run at a time.
    """

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long what is registered lasts."""
        return DurabilityTier.INLINE

    @abstractmethod
    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        """Add a process, with a grant if there is one; the same registration again is no change.

        Raises:
            PluginError: ``invalid_registration``, ``registration_conflict``.
        """

    @abstractmethod
    async def get_process(self, process_id: str) -> ProcessRecord | None:
        """The row of a process, or None."""

    @abstractmethod
    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        """The processes that pass a filter, ordered by id."""

    @abstractmethod
    async def list_non_terminal(self) -> list[ProcessRecord]:
        """The processes that have not ended, ordered by id: the worker's work list."""

    @abstractmethod
    async def set_external_ref(
        self, process_id: str, external_ref: ProcessExternalRef
    ) -> ProcessRecord:
        """Note which work outside stands for the process."""

    @abstractmethod
    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        """Append an event.

        Args:
            process_id: whose log.
            request: the event; a known replay key returns the first event.
            fence: the lease that the writer must still hold, if it writes as owner.

        Raises:
            PluginError: ``unknown_process``, ``process_lease_lost``, and those of
                the append rules.
        """

    @abstractmethod
    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        """End a process that nobody runs here, for example an external one."""

    @abstractmethod
    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        """Events with a number above ``after_sequence``, in order; the first ``limit`` of them."""

    @abstractmethod
    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        """The last ``limit`` events, in order."""

    @abstractmethod
    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        """How many events of a type have a number of at most ``up_to_sequence``."""

    @abstractmethod
    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        """Wake events with a number above ``after_sequence`` that nobody has acknowledged."""

    @abstractmethod
    async def ack_wake(self, process_id: str, sequence: int) -> None:
        """Acknowledge a wake event; again, or for a number that is none, is no change."""

    @abstractmethod
    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        """Wait for the first event of a type with a number above ``after_sequence``."""

    @abstractmethod
    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        """Wait for the event of a type that is number ``ordinal`` (from 1) of that type."""

    @abstractmethod
    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        """Wait for the event with the number after ``after_sequence``, of whatever type."""

    @abstractmethod
    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        """Wait for the end of a process."""

    @abstractmethod
    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        """Note what the process waits for, and append ``process.waiting``.

        The same wait again is no change.
        """

    @abstractmethod
    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        """Note that it waits no longer, and append ``process.resumed`` if it did."""

    @abstractmethod
    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        """Make a process visible to a session scope, or change how it is shown there."""

    @abstractmethod
    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        """Make it invisible there; again is no change."""

    @abstractmethod
    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        """Move grants, all or none.

        Raises:
            PluginError: ``unknown_grant``, where ``from_scope`` does not see one of them.
        """

    @abstractmethod
    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        """What a session scope sees, ordered by process id."""

    @abstractmethod
    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        """What it sees of processes that have not ended."""

    @abstractmethod
    async def has_handle_grant(self, session_scope: SessionScope, process_id: str) -> bool:
        """Whether it sees a process."""

    @abstractmethod
    async def handle_grants_for_process(self, process_id: str) -> list[ProcessHandleGrant]:
        """Who sees a process, ordered by scope id."""

    @abstractmethod
    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        """Revoke all grants of a session and its frames; no process is cancelled."""

    @abstractmethod
    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        """Become the one owner of a process; every claim raises the fencing token.

        Raises:
            PluginError: ``unknown_process``, ``process_terminal``, and
                ``process_lease_held`` while another owner's lease is alive.
        """

    @abstractmethod
    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        """Keep a lease for longer.

        Raises:
            PluginError: ``process_lease_lost``, where it is not the live one.
        """

    @abstractmethod
    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        """Give a lease back; a stale token does nothing."""

    @abstractmethod
    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        """Append a terminal event and give the lease back, in one transaction.

        Raises:
            PluginError: ``process_lease_lost``: nothing was written.
        """


class ScopeJournal(ABC):
    """The journal of one opened scope, under the scope's lease."""

    @property
    @abstractmethod
    def entries(self) -> Mapping[str, JournalEntry]:
        """What was recorded before the scope was opened, by replay key; loaded once."""

    @abstractmethod
    async def record(self, entry: JournalEntry) -> JournalEntry:
        """Write an entry, durably, before it returns.

        An entry without an outcome (a due time) is completed by one with an outcome.
        Apart from that the first entry of a key stays.

        Returns:
            The entry that the journal has now, which is this one or the first one.

        Raises:
            EffectError: ``effect_scope_lease_lost``; nothing was written.
            StoreError: the store failed; nothing was written.

        Always a checkpoint.  Cancelled, it either did not begin or has finished.
        """


class EffectJournal(ABC):
    """Keeps what effects returned, so that a second run gets it back."""

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long recorded outcomes last."""
        return DurabilityTier.INLINE

    @abstractmethod
    def open_scope(
        self, scope: EffectScope, owner_id: str
    ) -> AbstractAsyncContextManager[ScopeJournal]:
        """The journal of a scope, as an async context manager that holds its lease.

        Args:
            scope: whose journal.
            owner_id: who writes it.

        Raises:
            EffectError: ``effect_scope_lease_held``, when it is entered while another
                opening of the scope is alive.
        """


class AttachmentStore(ABC):
    """Keeps the bytes that envelopes refer to."""

    @property
    def durability_tier(self) -> DurabilityTier:
        """How long stored bytes last."""
        return DurabilityTier.INLINE

    @abstractmethod
    async def put(self, data: bytes, meta: AttachmentCreateMeta) -> AttachmentRef:
        """Store bytes; the same bytes again may give the same reference."""

    @abstractmethod
    async def get(self, reference: AttachmentRef) -> bytes:
        """The bytes of a reference.

        Raises:
            StoreError: where the store does not have them.
        """


async def _hold_open(
    host: EffectHost,
    scope: EffectScope,
    task_status: trio.TaskStatus[ScopedEffects] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep a scope open in a task of its own until it is closed from anywhere."""
    async with host.scoped(scope) as opened:
        task_status.started(opened)
        await opened.wait_close_requested()
