"""The object that holds the grants of a namespace.

``s/{scope id}`` holds the grants of a scope and is what counts.  ``p/{process id}`` and
``f/{session id}`` name scopes where a process or a session may have grants: never too
few, since they are written before a grant is, and cleared after it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from ...model import (
    JsonObject,
    JsonValue,
    ProcessHandleDescriptor,
    ProcessHandleGrant,
    SessionScope,
    delete_report,
    dumps,
    from_json,
    grants_to_transfer,
    parse_json,
    to_json,
    unknown_process,
)
from ._answer import Asked, ok
from ._keys import ObjectKeys
from ._object import INDEX_SERVICE, LOG_SERVICE, ObjectCall, ObjectHandler, Target

Grants = dict[str, ProcessHandleGrant]


async def grant_handle(call: ObjectCall, asked: Asked) -> JsonObject:
    """Make a process visible to a session scope."""
    grant = ProcessHandleGrant(
        session_scope=asked.take(SessionScope, "session_scope"),
        process_id=await _known(call, asked),
        descriptor=asked.take(ProcessHandleDescriptor, "descriptor"),
    )
    await _put(call, [grant])
    return ok(to_json(grant))


async def put(call: ObjectCall, asked: Asked) -> JsonObject:
    """Add the grant of a process that is being registered."""
    await _put(call, [asked.take(ProcessHandleGrant, "grant")])
    return ok(None)


async def revoke_handle(call: ObjectCall, asked: Asked) -> JsonObject:
    """Make a process invisible to a session scope."""
    scope = asked.take(SessionScope, "session_scope")
    process_id = await _known(call, asked)
    await _remove(call, [ProcessHandleGrant(session_scope=scope, process_id=process_id)])
    return ok(None)


async def transfer_handle_grants(call: ObjectCall, asked: Asked) -> JsonObject:
    """Move grants, all or none."""
    source = asked.take(SessionScope, "from_scope")
    target = asked.take(SessionScope, "to_scope")
    process_ids = asked.texts("process_ids")
    (held,) = await _of_scopes(call, [source.id])
    grants = grants_to_transfer(held, source, target, process_ids)
    if source.id != target.id and grants:
        await _put(call, [attrs.evolve(grant, session_scope=target) for grant in grants])
        await _remove(call, grants)
    return ok(None)


async def list_handle_grants(call: ObjectCall, asked: Asked) -> JsonObject:
    """The grants of a scope, by process id."""
    (held,) = await _of_scopes(call, [asked.take(SessionScope, "session_scope").id])
    return ok(_listed(grant for _, grant in sorted(held.items())))


async def has_handle_grant(call: ObjectCall, asked: Asked) -> JsonObject:
    """Whether a scope sees a process."""
    scope = asked.take(SessionScope, "session_scope")
    process_id = await _known(call, asked)
    (held,) = await _of_scopes(call, [scope.id])
    return ok(process_id in held)


async def handle_grants_for_process(call: ObjectCall, asked: Asked) -> JsonObject:
    """Who sees a process, by scope id."""
    process_id = await _known(call, asked)
    (scope_ids,) = await _names(call, [f"p/{process_id}"])
    tables = await _of_scopes(call, sorted(scope_ids))
    return ok(_listed(held[process_id] for held in tables if process_id in held))


async def delete_session_process_state(call: ObjectCall, asked: Asked) -> JsonObject:
    """Revoke all grants of a session and its frames."""
    session_id = asked.take(str, "session_id")
    (scope_ids,) = await _names(call, [f"f/{session_id}"])
    tables = await _of_scopes(call, sorted(scope_ids))
    revoked = [grant for held in tables for grant in held.values()]
    process_ids = sorted({grant.process_id for grant in revoked})
    await _remove(call, revoked)
    others = await _names(call, [f"p/{process_id}" for process_id in process_ids])
    seen = {
        process_id
        for process_id, scopes in zip(process_ids, others, strict=True)
        if scopes - scope_ids
    }
    asked_running: JsonObject = {"process_ids": [*process_ids]}
    running = await call.call(Target(INDEX_SERVICE, call.key, "running"), asked_running)
    still_running = {str(each) for each in running} if isinstance(running, list) else set[str]()
    return ok(to_json(delete_report(session_id, revoked, seen, still_running)))


async def _known(call: ObjectCall, asked: Asked) -> str:
    """The id of the process that is asked about.

    Raises:
        PluginError: reason ``unknown_process``.
    """
    process_id = asked.take(str, "process_id")
    key = ObjectKeys.of_whole(call.key).of_process(process_id)
    if await call.call(Target(LOG_SERVICE, key, "get_process"), {}) is None:
        raise unknown_process(process_id)
    return process_id


async def _put(call: ObjectCall, grants: Sequence[ProcessHandleGrant]) -> None:
    """Add or change grants of one scope."""
    scope = grants[0].session_scope
    names = [f"p/{grant.process_id}" for grant in grants]
    known = await _names(call, [*names, f"f/{scope.session_id}"])
    (held,) = await _of_scopes(call, [scope.id])
    for name, scope_ids in zip([*names, f"f/{scope.session_id}"], known, strict=True):
        _write_names(call, name, scope_ids, scope_ids | {scope.id})
    _write_scope(call, scope.id, {**held, **{grant.process_id: grant for grant in grants}})


async def _remove(call: ObjectCall, grants: Sequence[ProcessHandleGrant]) -> None:
    """Remove grants, if they are there."""
    scopes = {grant.session_scope.id: grant.session_scope for grant in grants}
    names = [f"p/{process_id}" for process_id in dict.fromkeys(g.process_id for g in grants)]
    sessions = [f"f/{name}" for name in dict.fromkeys(s.session_id for s in scopes.values())]
    tables = dict(zip(scopes, await _of_scopes(call, list(scopes)), strict=True))
    known = dict(zip([*names, *sessions], await _names(call, [*names, *sessions]), strict=True))
    left = {name: set(scope_ids) for name, scope_ids in known.items()}
    for grant in grants:
        scope_id = grant.session_scope.id
        tables[scope_id].pop(grant.process_id, None)
        left[f"p/{grant.process_id}"].discard(scope_id)
    for scope_id, held in tables.items():
        _write_scope(call, scope_id, held)
        if not held:
            left[f"f/{scopes[scope_id].session_id}"].discard(scope_id)
    for name, scope_ids in left.items():
        _write_names(call, name, known[name], scope_ids)


async def _of_scopes(call: ObjectCall, scope_ids: Sequence[str]) -> list[Grants]:
    texts = await call.read(*(f"s/{scope_id}" for scope_id in scope_ids)) if scope_ids else []
    return [_grants(text) for text in texts]


def _grants(text: str | None) -> Grants:
    value = None if text is None else parse_json(text)
    grants = [from_json(ProcessHandleGrant, each) for each in _items(value)]
    return {grant.process_id: grant for grant in grants}


async def _names(call: ObjectCall, keys: Sequence[str]) -> list[set[str]]:
    """The scope ids under some keys."""
    texts = await call.read(*keys) if keys else []
    values = [None if text is None else parse_json(text) for text in texts]
    return [{str(each) for each in _items(value)} for value in values]


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _write_scope(call: ObjectCall, scope_id: str, held: Mapping[str, ProcessHandleGrant]) -> None:
    if held:
        call.write(f"s/{scope_id}", dumps(_listed(held.values())))
    else:
        call.clear(f"s/{scope_id}")


def _write_names(call: ObjectCall, key: str, before: set[str], after: set[str]) -> None:
    if after == before:
        return
    if after:
        call.write(key, dumps(sorted(after)))
    else:
        call.clear(key)


def _listed(grants: Iterable[ProcessHandleGrant]) -> list[JsonValue]:
    return [to_json(grant) for grant in grants]


GRANTS_HANDLERS = {
    "grant_handle": ObjectHandler(grant_handle),
    "put": ObjectHandler(put),
    "revoke_handle": ObjectHandler(revoke_handle),
    "transfer_handle_grants": ObjectHandler(transfer_handle_grants),
    "list_handle_grants": ObjectHandler(list_handle_grants, is_shared=True),
    "has_handle_grant": ObjectHandler(has_handle_grant, is_shared=True),
    "handle_grants_for_process": ObjectHandler(handle_grants_for_process, is_shared=True),
    "delete_session_process_state": ObjectHandler(delete_session_process_state),
}
"""The handlers of the grants, by name."""
