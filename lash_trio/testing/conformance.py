"""Checks for registries, hosts, controllers, waiters and journals of your own.

Each check holds one rule of a port: a plain async function, run inside trio, that
raises :class:`AssertionError` with the name of the rule where it is broken.  No check
sleeps; one that finds a call waiting for ever tells so after ten seconds of real time.
This is all that a store of yours needs under pytest::

    @pytest.mark.parametrize("check", REGISTRY_CHECKS)
    def test_registry(check):
        clock = ManualClock()
        new = functools.partial(open_my_registry, clock)  # an async context manager
        trio.run(check, RegistryUnderTest(open=new, advance_ms=clock.advance_ms))

``contextlib.nullcontext(MyRegistry(clock))`` will do for one that needs no closing.
The other ports go the same way: ``HOST_CHECKS`` with :class:`HostUnderTest`,
``CONTROLLER_CHECKS`` with :class:`ControllerUnderTest`, ``JOURNAL_CHECKS`` with
:class:`JournalUnderTest`, ``ATTACHMENT_CHECKS`` with :class:`AttachmentStoreUnderTest`,
``ARTIFACT_CHECKS`` with :class:`ArtifactStoreUnderTest`, and ``WAITER_CHECKS`` with a
function that makes new waiters.  What survives its process passes the durable checks as
well; these need ``reopen``.
"""

from __future__ import annotations

from ._conformance import (
    _append,
    _byte_stores,
    _cancellation,
    _checkpoints,
    _controller,
    _durable,
    _effects,
    _ends,
    _fencing,
    _grants,
    _journals,
    _leases,
    _listing,
    _outer_cancellation,
    _process_commands,
    _reads,
    _registration,
    _replay,
    _sessions,
    _unknown,
    _wait_facet,
    _wait_kinds,
    _waiters,
    _waits,
    _wakes,
    _worker_side,
)
from ._conformance._byte_stores import (
    ArtifactStoreCheck as ArtifactStoreCheck,
    ArtifactStoreUnderTest as ArtifactStoreUnderTest,
    AttachmentStoreCheck as AttachmentStoreCheck,
    AttachmentStoreUnderTest as AttachmentStoreUnderTest,
)
from ._conformance._host_bench import (
    ControllerCheck as ControllerCheck,
    ControllerUnderTest as ControllerUnderTest,
    HostCheck as HostCheck,
    HostUnderTest as HostUnderTest,
)
from ._conformance._journals import (
    JournalCheck as JournalCheck,
    JournalUnderTest as JournalUnderTest,
)
from ._conformance._registry_bench import (
    ManualClock as ManualClock,
    RegistryCheck as RegistryCheck,
    RegistryUnderTest as RegistryUnderTest,
)
from ._conformance._waiters import (
    WaiterCheck as WaiterCheck,
    WaitersUnderTest as WaitersUnderTest,
)

REGISTRY_CHECKS: tuple[RegistryCheck, ...] = (
    *_registration.CHECKS,
    *_listing.CHECKS,
    *_append.CHECKS,
    *_replay.CHECKS,
    *_ends.CHECKS,
    *_wakes.CHECKS,
    *_reads.CHECKS,
    *_waits.CHECKS,
    *_wait_kinds.CHECKS,
    *_wait_facet.CHECKS,
    *_grants.CHECKS,
    *_sessions.CHECKS,
    *_leases.CHECKS,
    *_fencing.CHECKS,
    *_worker_side.CHECKS,
    *_unknown.CHECKS,
    *_checkpoints.CHECKS,
)
"""One check for each rule of :class:`~lash_trio.abc.ProcessRegistry`."""

DURABLE_REGISTRY_CHECKS: tuple[RegistryCheck, ...] = _durable.CHECKS
"""For registries that survive, in addition."""

HOST_CHECKS: tuple[HostCheck, ...] = (
    *_effects.CHECKS,
    *_cancellation.CHECKS,
    *_outer_cancellation.CHECKS,
)
"""One check for each rule of :class:`~lash_trio.abc.EffectHost` and its scopes."""

CONTROLLER_CHECKS: tuple[ControllerCheck, ...] = (
    *_controller.CHECKS,
    *_process_commands.CHECKS,
)
"""One check for each rule of :class:`~lash_trio.abc.EffectController`."""

JOURNAL_CHECKS: tuple[JournalCheck, ...] = _journals.CHECKS
"""One check for each rule of :class:`~lash_trio.abc.EffectJournal`."""

DURABLE_JOURNAL_CHECKS: tuple[JournalCheck, ...] = _journals.DURABLE_CHECKS
"""For journals that survive, in addition."""

WAITER_CHECKS: tuple[WaiterCheck, ...] = _waiters.CHECKS
"""One check for each rule of :class:`~lash_trio.kernel.EventWaiters`."""

ATTACHMENT_CHECKS: tuple[AttachmentStoreCheck, ...] = _byte_stores.ATTACHMENT_CHECKS
"""One check for each rule of :class:`~lash_trio.abc.AttachmentStore`."""

DURABLE_ATTACHMENT_CHECKS: tuple[AttachmentStoreCheck, ...] = _byte_stores.DURABLE_ATTACHMENT_CHECKS
"""For attachment stores that survive, in addition."""

ARTIFACT_CHECKS: tuple[ArtifactStoreCheck, ...] = _byte_stores.ARTIFACT_CHECKS
"""One check for each rule of :class:`~lash_trio.abc.ArtifactStore`."""

DURABLE_ARTIFACT_CHECKS: tuple[ArtifactStoreCheck, ...] = _byte_stores.DURABLE_ARTIFACT_CHECKS
"""For artifact stores that survive, in addition."""
