"""Rules of grants: which session scope sees which process."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ...model import (
    PluginReason,
    ProcessGrantEntry,
    ProcessHandleDescriptor,
    ProcessHandleGrant,
    SessionScope,
)
from ._registry_bench import (
    DESCRIPTOR,
    ELSEWHERE,
    FRAME,
    SESSION,
    RegistryBench,
    registry_check,
)
from ._rules import expect, expect_refused

_OTHER_DESCRIPTOR = ProcessHandleDescriptor(kind="job", label="Another job")


def _ids(entries: Sequence[ProcessGrantEntry]) -> list[str]:
    return [entry.grant.process_id for entry in entries]


async def _seen(bench: RegistryBench, scope: SessionScope) -> list[str]:
    return _ids(await bench.registry.list_handle_grants(scope))


async def _granted(bench: RegistryBench, scope: SessionScope, *process_ids: str) -> None:
    for process_id in process_ids:
        await bench.registry.grant_handle(scope, process_id, DESCRIPTOR)


@registry_check
async def a_granted_process_is_seen(bench: RegistryBench) -> None:
    """``list_handle_grants`` has the grant that was given, with the row as it is now."""
    await bench.register()
    grant = ProcessHandleGrant(session_scope=SESSION, process_id="p1", descriptor=DESCRIPTOR)
    given = await bench.registry.grant_handle(SESSION, "p1", DESCRIPTOR)
    expect("what grant_handle returns", given, grant)
    await bench.end()
    entry = ProcessGrantEntry(grant=grant, record=await bench.row())
    expect("the grants", await bench.registry.list_handle_grants(SESSION), [entry])


@registry_check
async def grants_are_listed_by_id(bench: RegistryBench) -> None:
    """``list_handle_grants`` is ordered by process id, whatever the order of granting."""
    await bench.register("p1", "p2", "p10")
    await _granted(bench, SESSION, "p2", "p10", "p1")
    expect("the ids", await _seen(bench, SESSION), ["p1", "p10", "p2"])


@registry_check
async def a_second_grant_changes_the_descriptor(bench: RegistryBench) -> None:
    """Granting again changes how the process is shown, and is no second grant."""
    await bench.register()
    for descriptor in (DESCRIPTOR, _OTHER_DESCRIPTOR):
        await bench.registry.grant_handle(SESSION, "p1", descriptor)
    entries = await bench.registry.list_handle_grants(SESSION)
    shown = [entry.grant.descriptor for entry in entries]
    expect("the descriptors", shown, [_OTHER_DESCRIPTOR])
    of_process = await bench.registry.handle_grants_for_process("p1")
    expect("the grants of the process", len(of_process), 1)


@registry_check
async def a_grant_belongs_to_one_scope(bench: RegistryBench) -> None:
    """A grant to a session is none to its agent frames or to others, and the other way round."""
    await bench.register("p1", "p2")
    await _granted(bench, SESSION, "p1")
    await _granted(bench, FRAME, "p2")
    for scope, ids in ((SESSION, ["p1"]), (FRAME, ["p2"]), (ELSEWHERE, [])):
        expect(f"what {scope.id} sees", await _seen(bench, scope), ids)


@registry_check
async def has_handle_grant_tells_who_sees(bench: RegistryBench) -> None:
    """``has_handle_grant`` is true for the scope that was granted the process, and for no other."""
    await bench.register("p1", "p2")
    await _granted(bench, SESSION, "p1")
    for scope, process_id, expected in (
        (SESSION, "p1", True),
        (SESSION, "p2", False),
        (FRAME, "p1", False),
    ):
        has = await bench.registry.has_handle_grant(scope, process_id)
        expect(f"whether {scope.id} sees {process_id!r}", has, expected)


@registry_check
async def a_revoked_process_is_not_seen(bench: RegistryBench) -> None:
    """``revoke_handle`` takes one grant away, and no other; again is no change."""
    await bench.register("p1", "p2")
    await _granted(bench, SESSION, "p1", "p2")
    await _granted(bench, FRAME, "p1")
    for _ in range(2):
        await bench.registry.revoke_handle(SESSION, "p1")
        expect("what the session sees", await _seen(bench, SESSION), ["p2"])
        expect("what its frame sees", await _seen(bench, FRAME), ["p1"])
    grants = await bench.registry.handle_grants_for_process("p1")
    expect("who sees 'p1'", [grant.session_scope for grant in grants], [FRAME])


@registry_check
async def live_grants_leave_out_the_ended(bench: RegistryBench) -> None:
    """``list_live_handle_grants`` has the grants of processes that have not ended, ordered by id."""
    await bench.register("p1", "p2", "p3")
    await _granted(bench, SESSION, "p3", "p2", "p1")
    await bench.end("p2")
    live = await bench.registry.list_live_handle_grants(SESSION)
    expect("the live grants", _ids(live), ["p1", "p3"])
    expect("all grants", await _seen(bench, SESSION), ["p1", "p2", "p3"])


@registry_check
async def grants_of_a_process_are_listed_by_scope(bench: RegistryBench) -> None:
    """``handle_grants_for_process`` has who sees the process, ordered by scope id."""
    await bench.register("p1", "p2")
    for scope in (ELSEWHERE, FRAME, SESSION):
        await _granted(bench, scope, "p1")
    await _granted(bench, SESSION, "p2")
    grants = await bench.registry.handle_grants_for_process("p1")
    scopes = [grant.session_scope for grant in grants]
    expect("the scopes", scopes, [SESSION, FRAME, ELSEWHERE])


@registry_check
async def a_transfer_moves_grants(bench: RegistryBench) -> None:
    """``transfer_handle_grants`` moves the named grants with their descriptors, and no others."""
    await bench.register("p1", "p2", "p3")
    await _granted(bench, SESSION, "p1", "p2", "p3")
    await bench.registry.transfer_handle_grants(SESSION, ELSEWHERE, ["p3", "p1"])
    expect("what the source sees", await _seen(bench, SESSION), ["p2"])
    entries = await bench.registry.list_handle_grants(ELSEWHERE)
    expect("what the target sees", _ids(entries), ["p1", "p3"])
    expect("the descriptor", entries[0].grant.descriptor, DESCRIPTOR)
    expect("the scope of the grant", entries[0].grant.session_scope, ELSEWHERE)


@registry_check
async def a_transfer_is_all_or_none(bench: RegistryBench) -> None:
    """A transfer of grants of which the source lacks one is refused, and moves none."""
    await bench.register("p1", "p2", "p3")
    await _granted(bench, SESSION, "p1", "p3")
    for missing in ("p2", "nobody"):
        await expect_refused(
            f"the transfer of {missing!r} that the source does not see",
            PluginReason.UNKNOWN_GRANT,
            bench.registry.transfer_handle_grants(SESSION, ELSEWHERE, ["p1", missing, "p3"]),
        )
        expect("what the source sees", await _seen(bench, SESSION), ["p1", "p3"])
        expect("what the target sees", await _seen(bench, ELSEWHERE), [])


@registry_check
async def a_transfer_may_name_a_process_twice(bench: RegistryBench) -> None:
    """A process that is named twice in a transfer is moved once."""
    await bench.register()
    await _granted(bench, SESSION, "p1")
    await bench.registry.transfer_handle_grants(SESSION, ELSEWHERE, ["p1", "p1"])
    expect("what the source sees", await _seen(bench, SESSION), [])
    expect("what the target sees", await _seen(bench, ELSEWHERE), ["p1"])


@registry_check
async def a_transfer_may_meet_a_grant(bench: RegistryBench) -> None:
    """A transfer to a scope that sees the process already leaves one grant there, the moved one."""
    await bench.register()
    await _granted(bench, SESSION, "p1")
    await bench.registry.grant_handle(ELSEWHERE, "p1", _OTHER_DESCRIPTOR)
    await bench.registry.transfer_handle_grants(SESSION, ELSEWHERE, ["p1"])
    grants = await bench.registry.handle_grants_for_process("p1")
    moved = ProcessHandleGrant(session_scope=ELSEWHERE, process_id="p1", descriptor=DESCRIPTOR)
    expect("the grants of the process", grants, [moved])


@registry_check
async def a_transfer_to_itself_is_no_change(bench: RegistryBench) -> None:
    """A transfer from a scope to the same scope, and one of no process, change nothing."""
    await bench.register()
    await _granted(bench, SESSION, "p1")
    before = await bench.registry.list_handle_grants(SESSION)
    await bench.registry.transfer_handle_grants(SESSION, attrs.evolve(SESSION), ["p1"])
    await bench.registry.transfer_handle_grants(SESSION, ELSEWHERE, [])
    expect("the grants", await bench.registry.list_handle_grants(SESSION), before)
    expect("what the other scope sees", await _seen(bench, ELSEWHERE), [])


CHECKS = (
    a_granted_process_is_seen,
    grants_are_listed_by_id,
    a_second_grant_changes_the_descriptor,
    a_grant_belongs_to_one_scope,
    has_handle_grant_tells_who_sees,
    a_revoked_process_is_not_seen,
    live_grants_leave_out_the_ended,
    grants_of_a_process_are_listed_by_scope,
    a_transfer_moves_grants,
    a_transfer_is_all_or_none,
    a_transfer_may_name_a_process_twice,
    a_transfer_may_meet_a_grant,
    a_transfer_to_itself_is_no_change,
)
