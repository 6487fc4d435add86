"""Faulty hosts, controllers, journals and waiters, and the checks that have to find them."""

from collections.abc import Callable
from functools import partial

from lash_trio.abc import EffectController
from lash_trio.kernel import EventWaiters
from lash_trio.testing.conformance import (
    CONTROLLER_CHECKS,
    DURABLE_JOURNAL_CHECKS,
    HOST_CHECKS,
    JOURNAL_CHECKS,
    WAITER_CHECKS,
)

from . import cancelling_hosts, controllers, hosts, journals, subjects, survivors, waiters
from .base_host import FaultyHost
from .mutant import Mutant, Port

HOST = Port.of("host", HOST_CHECKS)
CONTROLLER = Port.of("controller", CONTROLLER_CHECKS)
JOURNAL = Port.of("journal", JOURNAL_CHECKS)
DURABLE_JOURNAL = Port.of("durable journal", DURABLE_JOURNAL_CHECKS)
WAITER = Port.of("waiter", WAITER_CHECKS)

HOSTS: dict[type[FaultyHost], tuple[str, ...]] = {
    hosts.ClaimsDurability: ("a_scope_lasts_as_its_host",),
    hosts.AcceptsBlankScopes: ("a_blank_scope_id_is_refused",),
    hosts.ForgetsItsIdentity: ("a_scope_knows_what_it_is",),
    hosts.RunsOneEffectAtATime: ("effects_run_side_by_side",),
    hosts.WrapsFailures: ("a_failure_reaches_who_asked",),
    hosts.FailsAltogether: ("a_failure_leaves_others_alone",),
    hosts.ReturnsWithoutCheckpoint: ("asking_is_a_checkpoint",),
    hosts.IsNeverDone: ("a_started_effect_returns_its_outcome",),
    hosts.TellsOnce: ("a_result_may_be_asked_often",),
    hosts.CancelsWithTheWait: ("giving_up_a_wait_cancels_nothing",),
    hosts.CancelsAllScopes: ("scopes_leave_each_other_alone",),
    hosts.ClosesWithoutWaiting: ("a_scope_may_live_in_a_nursery",),
    hosts.ForgetsOutcomes: ("an_effect_returns_its_outcome",),
    cancelling_hosts.HasOneCode: ("a_cancelled_effect_ends_with_its_code",),
    cancelling_hosts.CancelsNothing: ("cancelling_the_scope_ends_its_effects",),
    cancelling_hosts.CancelsOnlyWhatRuns: ("a_cancelled_scope_starts_nothing",),
    cancelling_hosts.CancelsTheBlock: ("cancelling_the_scope_leaves_the_block",),
    cancelling_hosts.TellsTheLastReason: ("the_first_reason_stays",),
    cancelling_hosts.CancelsSiblings: ("cancelling_one_effect_leaves_others",),
    cancelling_hosts.ForgetsOnCancel: ("cancelling_what_has_ended_is_no_change",),
    cancelling_hosts.CancelsOverOutcomes: ("a_completed_outcome_is_kept",),
    cancelling_hosts.CancelsLater: ("what_never_began_does_not_run",),
    cancelling_hosts.CancelsOnLeaving: ("leaving_a_block_waits",),
    cancelling_hosts.WrapsExceptions: ("leaving_by_an_exception_cancels",),
    cancelling_hosts.RunsWhenClosed: (
        "a_closed_scope_refuses_effects",
        "nothing_starts_while_a_scope_unwinds",
        "a_cancelled_nursery_closes_its_scope",
    ),
    cancelling_hosts.TurnsCancellationIntoErrors: ("an_outer_cancellation_passes",),
    cancelling_hosts.PrefersRequests: ("the_outer_cancellation_wins",),
    cancelling_hosts.LetsEffectsEscape: (
        "nothing_outlives_its_scope",
        "an_outer_cancellation_ends_all_effects",
    ),
    cancelling_hosts.RecordsCancellations: ("an_outer_cancellation_is_not_recorded",),
}

CONTROLLERS: dict[type[EffectController], tuple[str, ...]] = {
    controllers.HasNoTier: ("a_controller_tells_its_tier",),
    controllers.RewritesEnvelopes: ("the_executor_does_the_effect",),
    controllers.SleepsToNoOutcome: ("a_sleep_ends",),
    controllers.DropsPayloads: ("an_event_is_awaited",),
    controllers.RemakesExecutors: ("an_executor_serves_once",),
    controllers.InventsWhatIsUnavailable: ("an_unavailable_executor_is_told",),
    controllers.SkipsMismatches: ("an_executor_of_another_kind_is_told",),
    controllers.RunsCommandsAnywhere: ("a_process_command_needs_its_executor",),
    controllers.LooksAtOrdinalsFirst: ("an_awaited_event_must_be_the_one",),
    controllers.WrapsErrors: ("an_error_comes_as_it_is",),
    controllers.TurnsCancellationIntoErrors: ("a_cancellation_passes",),
    controllers.RunsWhenCancelled: ("a_cancelled_effect_does_not_run",),
    controllers.NeverCheckpoints: ("an_effect_is_a_checkpoint",),
    controllers.RunsWhatItStarts: ("a_start_registers_and_no_more",),
    controllers.ListsTheEnded: ("a_list_is_what_the_session_sees",),
    controllers.TransfersNothing: ("a_transfer_moves_what_is_seen",),
    controllers.ReportsNothing: ("a_deletion_returns_its_report",),
    controllers.AwaitsNothing: ("an_end_is_awaited",),
    controllers.EndsWhatItCancels: ("a_cancel_is_a_request",),
    controllers.SignalsTwice: ("a_signal_is_an_event",),
    controllers.RenamesRefusals: ("a_refusal_is_a_plugin_error",),
    controllers.DropsCauses: ("a_broken_registry_is_told",),
    controllers.LeavesCommandsUnshielded: ("a_cancelled_command_is_all_or_nothing",),
}

JOURNALS: dict[type[journals.FaultyJournal], tuple[str, ...]] = {
    journals.HasNoTier: ("a_journal_tells_its_tier",),
    journals.InventsEntries: ("a_new_scope_has_no_entries",),
    journals.ReturnsHalf: ("a_record_is_returned",),
    journals.ForgetsFailures: ("what_was_recorded_is_loaded",),
    journals.KeepsTheLastOutcome: ("the_first_outcome_stays",),
    journals.LosesDueTimes: ("a_due_time_is_completed",),
    journals.KeepsTheLastDueTime: ("the_first_due_time_stays",),
    journals.IgnoresCase: ("keys_are_kept_apart",),
    journals.KnowsScopesByTheirIds: ("scopes_are_kept_apart",),
    journals.OpensTwice: ("a_scope_is_open_once",),
    journals.KeepsTheLeaseOfTheBroken: ("a_left_scope_may_be_opened",),
    journals.WritesWithoutLease: ("a_left_scope_writes_nothing",),
    journals.WritesWhatItRefuses: ("a_lost_scope_writes_nothing",),
    journals.FreesWhoeverHolds: ("leaving_a_lost_scope_frees_nothing",),
    journals.RacesWithItself: ("records_at_the_same_moment_agree",),
    journals.SharesOutcomes: ("the_journal_keeps_its_own_outcomes",),
    journals.NeverCheckpoints: ("recording_is_a_checkpoint",),
    journals.RecordsHalf: ("a_cancelled_record_is_all_or_nothing",),
}

WAITERS: dict[type[EventWaiters], tuple[str, ...]] = {
    waiters.FindsWithoutCheckpoint: ("what_is_there_is_returned",),
    waiters.NeverWakes: ("a_notification_makes_it_look_again",),
    waiters.LooksBeforeItRegisters: ("a_wait_registers_before_it_looks",),
    waiters.TrustsNotifications: ("a_notification_is_a_hint",),
    waiters.NotifiesEverybody: ("a_notification_is_for_one_slot",),
    waiters.WakesOne: ("all_at_a_slot_are_notified",),
    waiters.ForgetsNumbers: ("an_event_notifies_its_slots",),
    waiters.ForgetsOrdinals: ("an_event_notifies_its_slots",),
    waiters.ForgetsEnds: ("a_notification_makes_it_look_again",),
    waiters.NotifiesOtherProcesses: ("a_process_may_be_notified",),
    waiters.NotifiesOneProcess: ("everybody_may_be_notified",),
    waiters.KeepsTheCancelled: ("a_cancelled_wait_leaves_nothing",),
    waiters.CancelsTheSlot: ("a_cancelled_wait_takes_nobody_along",),
    waiters.SwallowsErrors: ("an_error_of_a_look_passes",),
    waiters.CountsSlots: ("who_waits_is_counted",),
}


def _mutant(
    port: Port,
    subject: Callable[..., object],
    kind: Callable[..., object],
    caught_by: tuple[str, ...],
) -> Mutant:
    return Mutant(port=port, kind=kind, subject=partial(subject, kind), caught_by=caught_by)


def _as_it_is(kind: object) -> object:
    return kind


BOUNDARY_MUTANTS = (
    *(_mutant(HOST, subjects.host, *row) for row in HOSTS.items()),
    *(_mutant(CONTROLLER, subjects.controller, *row) for row in CONTROLLERS.items()),
    *(_mutant(JOURNAL, subjects.journal, *row) for row in JOURNALS.items()),
    _mutant(
        DURABLE_JOURNAL,
        subjects.surviving_journal,
        survivors.loses_entries,
        ("entries_survive",),
    ),
    *(_mutant(WAITER, _as_it_is, *row) for row in WAITERS.items()),
)
