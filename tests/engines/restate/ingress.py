"""An ingress that answers as the objects of the registry on Restate do, from memory.

The rules are those of the registry in memory; what is here is the shape of calls and
answers.  Whether a server answers so is shown by the tests against one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import httpx2
import trio

from lash_trio import (
    EffectError,
    JsonValue,
    PluginError,
    StoreError,
)
from lash_trio.abc import Clock
from lash_trio.model import (
    LeaseHeldError,
    ProcessAwaitOutput,
    ProcessEvent,
    ProcessEventAppendRequest,
    ProcessExternalRef,
    ProcessHandleDescriptor,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessListFilter,
    ProcessRegistration,
    ProcessStartGrant,
    ProcessStatusFilter,
    SessionScope,
    WaitState,
    check_event_wait,
    from_json,
    to_json,
)
from lash_trio.stores.memory import MemoryProcessRegistry

_PAGE = 3
"""How many events an answer holds; few, so that there are several."""

URL = "http://restate.test:8080"

Body = dict[str, Any]


class FakeIngress(httpx2.AsyncBaseTransport):
    """Serves the calls of clients of one namespace.

    Attributes:
        calls: how often each handler was called.
        troubles: responses or errors that come instead, before the call is made.
        lost_answers: how many of the next answers are lost, after the call was made.
        hold: where set, calls that write wait for it before they do anything.
        deaf: whether questions for news are answered late, and with none.
        keys: the keys that objects were called under.
        closed: whether the client has closed it.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.registry = MemoryProcessRegistry(clock)
        self.calls: Counter[str] = Counter()
        self.troubles: list[httpx2.Response | Exception] = []
        self.lost_answers = 0
        self.hold: trio.Event | None = None
        self.deaf = False
        self.keys: set[str] = set()
        self.closed = False
        self._made: dict[str, JsonValue] = {}

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed = True

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        _, service, key, handler = request.url.raw_path.decode().split("/")
        body: Body = json.loads(await request.aread())
        self.calls[handler] += 1
        self.keys.add(unquote(key))
        if self.troubles:
            trouble = self.troubles.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return trouble
        token = request.headers.get("idempotency-key")
        if token is None:
            answer = await self._answer(service, unquote(key), handler, body)
        else:
            if self.hold is not None:
                await self.hold.wait()
            if token not in self._made:
                self._made[token] = await self._answer(service, unquote(key), handler, body)
            answer = self._made[token]
        if self.lost_answers:
            self.lost_answers -= 1
            raise httpx2.ReadError("the connection broke")
        return httpx2.Response(200, json=answer)

    async def _answer(self, service: str, key: str, handler: str, body: Body) -> JsonValue:
        try:
            if service == "LashProcessIndex":
                return {"Ok": await self._list(body)}
            if service == "LashGrants":
                return {"Ok": await _GRANTS[handler](self.registry, body)}
            return await self._log_answer(key.rpartition("~")[2], handler, body)
        except LeaseHeldError as error:
            return {
                "Err": {
                    "class": "plugin",
                    "reason": error.reason,
                    "message": error.message,
                    "left_ms": error.left_ms,
                }
            }
        except PluginError as error:
            return {"Err": {"class": "plugin", "reason": error.reason, "message": error.message}}
        except StoreError as error:
            return {"Err": {"class": "store", "message": error.message}}
        except EffectError as error:
            return {"Err": {"class": "effect", "code": error.code, "message": error.message}}

    async def _log_answer(self, process_id: str, handler: str, body: Body) -> JsonValue:
        registry = self.registry
        row = await registry.get_process(process_id)
        before = 0 if row is None else len(await registry.events_after(process_id, 0))
        value = await _LOG[handler](self, process_id, body)
        answer: dict[str, JsonValue] = {"Ok": value}
        if handler in _APPENDING:
            for event in await registry.events_after(process_id, before):
                answer["appended"] = await self._news(event)
        return answer

    async def _news(self, event: ProcessEvent) -> dict[str, JsonValue]:
        ordinal = await self.registry.count_events_through(
            event.process_id, event.event_type, event.sequence
        )
        return {
            "sequence": event.sequence,
            "event_type": event.event_type,
            "ordinal": ordinal,
            "is_terminal": await self._is_terminal(event.process_id),
        }

    async def _is_terminal(self, process_id: str) -> bool:
        row = await self.registry.get_process(process_id)
        return row is not None and row.is_terminal

    async def _list(self, body: Body) -> JsonValue:
        status = ProcessStatusFilter(body["status"])
        rows = await self.registry.list_processes(ProcessListFilter(status=status))
        ids: list[JsonValue] = [r.id for r in rows if body["after"] is None or r.id > body["after"]]
        page = ids[: body["limit"]]
        return {"ids": page, "next_after": page[-1] if len(page) < len(ids) else None}

    async def found(self, process_id: str, name: str, value: object | None) -> JsonValue:
        events = await self.registry.events_after(process_id, 0)
        return {name: None if value is None else to_json(value), "last_sequence": len(events)}

    async def page(self, process_id: str, call: Awaitable[list[ProcessEvent]]) -> JsonValue:
        events: list[JsonValue] = [to_json(event) for event in await call]
        last = len(await self.registry.events_after(process_id, 0))
        return {"events": events, "last_sequence": last}

    async def changed(self, process_id: str, body: Body) -> JsonValue:
        after = body["after_sequence"]
        with trio.move_on_after(body["timeout_ms"] / 1000):
            if self.deaf:
                await trio.sleep_forever()
            await self.registry.wait_next_event(process_id, after)
        events = await self.registry.events_after(process_id, after, 500)
        news: list[JsonValue] = []
        for event in events:
            told = await self._news(event)
            del told["is_terminal"]
            news.append(told)
        return {
            "last_sequence": events[-1].sequence if events else after,
            "is_terminal": await self._is_terminal(process_id),
            "events": news,
        }

    async def nth_event(self, process_id: str, body: Body) -> JsonValue:
        events = await self.registry.events_after(process_id, 0)
        row = await self.registry.get_process(process_id)
        assert row is not None
        declared = {event_type.name for event_type in row.event_types}
        check_event_wait(process_id, declared, body["event_type"], body["ordinal"])
        of_type = [event for event in events if event.event_type == body["event_type"]]
        nth = of_type[body["ordinal"] - 1 : body["ordinal"]]
        return await self.found(process_id, "event", nth[0] if nth else None)

    async def event_at(self, process_id: str, body: Body) -> JsonValue:
        events = await self.registry.events_after(process_id, body["sequence"] - 1, 1)
        return await self.found(process_id, "event", events[0] if events else None)

    async def await_output(self, process_id: str, body: Body) -> JsonValue:
        await self.registry.events_after(process_id, 0)
        row = await self.registry.get_process(process_id)
        assert row is not None
        return await self.found(process_id, "output", row.status.await_output)


def _fence(body: Body) -> ProcessLease | None:
    return None if body["fence"] is None else from_json(ProcessLease, body["fence"])


async def _json(call: Awaitable[object]) -> JsonValue:
    value = await call
    if isinstance(value, list):
        return [to_json(each) for each in value]
    return None if value is None else to_json(value)


def _scope(body: Body, name: str = "session_scope") -> SessionScope:
    return from_json(SessionScope, body[name])


async def _register(self: FakeIngress, process_id: str, body: Body) -> JsonValue:
    grant = None if body["grant"] is None else from_json(ProcessStartGrant, body["grant"])
    registration = from_json(ProcessRegistration, body["registration"])
    assert registration.id == process_id
    return to_json(await self.registry.register_process(registration, grant))


_APPENDING = frozenset(
    {
        "append_event",
        "complete_process",
        "set_process_wait",
        "clear_process_wait",
        "complete_leased_process",
    }
)

_LOG: dict[str, Callable[[FakeIngress, str, Body], Awaitable[JsonValue]]] = {
    "changed": FakeIngress.changed,
    "nth_event": FakeIngress.nth_event,
    "event_at": FakeIngress.event_at,
    "await_output": FakeIngress.await_output,
    "register_process": _register,
    "get_process": lambda s, p, _: _json(s.registry.get_process(p)),
    "set_external_ref": lambda s, p, b: _json(
        s.registry.set_external_ref(p, from_json(ProcessExternalRef, b["external_ref"]))
    ),
    "append_event": lambda s, p, b: _json(
        s.registry.append_event(p, from_json(ProcessEventAppendRequest, b["request"]), _fence(b))
    ),
    "complete_process": lambda s, p, b: _json(
        s.registry.complete_process(p, from_json(ProcessAwaitOutput, b["await_output"]))
    ),
    "events_after": lambda s, p, b: s.page(
        p,
        s.registry.events_after(
            p, b["after_sequence"], _PAGE if b["limit"] is None else min(b["limit"], _PAGE)
        ),
    ),
    "recent_events": lambda s, p, b: s.page(p, s.registry.recent_events(p, min(b["limit"], _PAGE))),
    "count_events_through": lambda s, p, b: _json(
        s.registry.count_events_through(p, b["event_type"], b["up_to_sequence"])
    ),
    "wake_events_after": lambda s, p, b: _json(
        s.registry.wake_events_after(p, b["after_sequence"])
    ),
    "ack_wake": lambda s, p, b: _json(s.registry.ack_wake(p, b["sequence"])),
    "set_process_wait": lambda s, p, b: _json(
        s.registry.set_process_wait(p, from_json(WaitState, b["wait"]), _fence(b))
    ),
    "clear_process_wait": lambda s, p, b: _json(s.registry.clear_process_wait(p, _fence(b))),
    "claim_process_lease": lambda s, p, b: _json(
        s.registry.claim_process_lease(p, b["owner_id"], b["lease_ttl_ms"])
    ),
    "renew_process_lease": lambda s, _, b: _json(
        s.registry.renew_process_lease(from_json(ProcessLease, b["lease"]), b["lease_ttl_ms"])
    ),
    "complete_process_lease": lambda s, _, b: _json(
        s.registry.complete_process_lease(from_json(ProcessLeaseCompletion, b["completion"]))
    ),
    "complete_leased_process": lambda s, _, b: _json(
        s.registry.complete_leased_process(
            from_json(ProcessLease, b["lease"]),
            from_json(ProcessEventAppendRequest, b["request"]),
        )
    ),
}

_GRANTS: dict[str, Callable[[MemoryProcessRegistry, Body], Awaitable[JsonValue]]] = {
    "grant_handle": lambda r, b: _json(
        r.grant_handle(
            _scope(b), b["process_id"], from_json(ProcessHandleDescriptor, b["descriptor"])
        )
    ),
    "revoke_handle": lambda r, b: _json(r.revoke_handle(_scope(b), b["process_id"])),
    "transfer_handle_grants": lambda r, b: _json(
        r.transfer_handle_grants(_scope(b, "from_scope"), _scope(b, "to_scope"), b["process_ids"])
    ),
    "list_handle_grants": lambda r, b: _grants_of(r, _scope(b)),
    "has_handle_grant": lambda r, b: _json(r.has_handle_grant(_scope(b), b["process_id"])),
    "handle_grants_for_process": lambda r, b: _json(r.handle_grants_for_process(b["process_id"])),
    "delete_session_process_state": lambda r, b: _json(
        r.delete_session_process_state(b["session_id"])
    ),
}


async def _grants_of(registry: MemoryProcessRegistry, scope: SessionScope) -> JsonValue:
    return [to_json(entry.grant) for entry in await registry.list_handle_grants(scope)]
