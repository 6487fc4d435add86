"""Rules of deleting a session's view of processes."""

from __future__ import annotations

from ...model import ProcessListFilter, ProcessSessionDeleteReport, ProcessStatusFilter
from ._registry_bench import DESCRIPTOR, ELSEWHERE, FRAME, SESSION, RegistryBench, registry_check
from ._rules import expect

_EVERYTHING = ProcessListFilter(status=ProcessStatusFilter.ANY)


async def _populate(bench: RegistryBench) -> None:
    """Five processes, four that the session sees: two of them alone, one of those ended."""
    await bench.register("alone", "ended", "framed", "others", "shared")
    for scope, process_ids in (
        (SESSION, ("shared", "ended", "alone")),
        (FRAME, ("framed", "alone")),
        (ELSEWHERE, ("shared", "others")),
    ):
        for process_id in process_ids:
            await bench.registry.grant_handle(scope, process_id, DESCRIPTOR)
    await bench.end("ended")


@registry_check
async def a_deleted_session_sees_nothing(bench: RegistryBench) -> None:
    """Deleting a session revokes its grants and those of its frames, and no others."""
    await _populate(bench)
    await bench.registry.delete_session_process_state("s1")
    for scope, count in ((SESSION, 0), (FRAME, 0), (ELSEWHERE, 2)):
        seen = await bench.registry.list_handle_grants(scope)
        expect(f"the number of processes that {scope.id} sees", len(seen), count)
    expect("who sees 'alone'", await bench.registry.handle_grants_for_process("alone"), [])


@registry_check
async def a_deletion_reports_what_it_revoked(bench: RegistryBench) -> None:
    """The report counts the revoked grants and names their processes, once each and sorted."""
    await _populate(bench)
    report = await bench.registry.delete_session_process_state("s1")
    expect("the session of the report", report.session_id, "s1")
    expect("the number of revoked grants", report.revoked_handle_count, 5)
    ids = ("alone", "ended", "framed", "shared")
    expect("the revoked processes", report.revoked_process_ids, ids)


@registry_check
async def a_deletion_reports_what_nobody_sees(bench: RegistryBench) -> None:
    """Orphaned are the revoked processes that have not ended and that no session sees any more."""
    await _populate(bench)
    report = await bench.registry.delete_session_process_state("s1")
    expect("the orphaned processes", report.orphaned_process_ids, ("alone", "framed"))


@registry_check
async def a_deletion_reports_what_others_see(bench: RegistryBench) -> None:
    """Preserved are the revoked processes that another session still sees."""
    await _populate(bench)
    report = await bench.registry.delete_session_process_state("s1")
    expect("the preserved processes", report.preserved_process_ids, ("shared",))


@registry_check
async def a_deletion_cancels_nothing(bench: RegistryBench) -> None:
    """Deleting a session leaves all rows and logs as they are."""
    await _populate(bench)
    before = await bench.registry.list_processes(_EVERYTHING)
    await bench.registry.delete_session_process_state("s1")
    expect("the rows", await bench.registry.list_processes(_EVERYTHING), before)
    expect("the log of an orphaned process", await bench.log("alone"), [])


@registry_check
async def a_deletion_may_find_nothing(bench: RegistryBench) -> None:
    """Deleting a session that sees nothing, or again, reports nothing."""
    await _populate(bench)
    await bench.registry.delete_session_process_state("s1")
    for session_id in ("s1", "s3"):
        report = await bench.registry.delete_session_process_state(session_id)
        nothing = ProcessSessionDeleteReport(session_id=session_id)
        expect(f"the report of deleting {session_id!r}", report, nothing)


CHECKS = (
    a_deleted_session_sees_nothing,
    a_deletion_reports_what_it_revoked,
    a_deletion_reports_what_nobody_sees,
    a_deletion_reports_what_others_see,
    a_deletion_cancels_nothing,
    a_deletion_may_find_nothing,
)
