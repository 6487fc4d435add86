"""The object that knows which processes a namespace has, and which of them have ended.

Its keys are the list: ``running/{process id}`` and ``ended/{process id}``.
"""

from __future__ import annotations

from ...model import JsonObject, JsonValue, ProcessStatusFilter, check_limit
from ._answer import Asked, ok
from ._object import ObjectCall, ObjectHandler

_RUNNING = "running/"
_ENDED = "ended/"
_THERE = "true"


async def add(call: ObjectCall, asked: Asked) -> JsonObject:
    """Note a process; again is no change."""
    process_id = asked.take(str, "process_id")
    known = await call.read(_RUNNING + process_id, _ENDED + process_id)
    if known == [None, None]:
        call.write(_RUNNING + process_id, _THERE)
    return ok(None)


async def end(call: ObjectCall, asked: Asked) -> JsonObject:
    """Note that a process has ended."""
    process_id = asked.take(str, "process_id")
    call.write(_ENDED + process_id, _THERE)
    call.clear(_RUNNING + process_id)
    return ok(None)


async def running(call: ObjectCall, asked: Asked) -> JsonObject:
    """Those of some processes that have not ended."""
    process_ids = asked.texts("process_ids")
    found = await call.read(*(_RUNNING + process_id for process_id in process_ids))
    left: list[JsonValue] = [
        process_id for process_id, text in zip(process_ids, found, strict=True) if text is not None
    ]
    return ok(left)


async def list_ids(call: ObjectCall, asked: Asked) -> JsonObject:
    """A page of ids, in their order."""
    status = asked.take(ProcessStatusFilter, "status")
    after = asked.find(str, "after")
    limit = check_limit(asked.take(int, "limit"))
    match status:
        case ProcessStatusFilter.RUNNING:
            lists = [_RUNNING]
        case ProcessStatusFilter.ANY:
            lists = [_RUNNING, _ENDED]
        case _:
            lists = [_ENDED]
    # One that ends just now may stand in both.
    keys = await call.keys()
    ids = sorted({key.removeprefix(name) for name in lists for key in keys if key.startswith(name)})
    left = [process_id for process_id in ids if after is None or process_id > after]
    page: list[JsonValue] = [*left[:limit]]
    return ok({"ids": page, "next_after": page[-1] if page and limit < len(left) else None})


INDEX_HANDLERS = {
    "add": ObjectHandler(add),
    "end": ObjectHandler(end),
    "running": ObjectHandler(running, is_shared=True),
    "list": ObjectHandler(list_ids, is_shared=True),
}
"""The handlers of the index, by name."""
