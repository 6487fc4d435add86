"""The registry of processes on Restate, as programs see it that are not inside a handler."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import attrs
import httpx2
import trio

from ...kernel import END, WaitSlot, any_event
from ...model import (
    DurabilityTier,
    InvalidValueError,
    JsonObject,
    JsonValue,
    PluginError,
    PluginReason,
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
    ProcessStatusFilter,
    SessionScope,
    StoreError,
    WaitState,
    WireError,
    check_limit,
    copy_json,
    prepare_registration,
    to_json,
)
from ._client_answers import list_in, list_of, number_in, optional_in, optional_of, value_of
from ._client_options import RestateRegistryOptions
from ._client_watch import LogWatch
from ._client_writes import run_to_end
from ._ingress import HandlerCall, Ingress
from ._keys import ObjectKeys
from ._parking import LogParking

LOG_SERVICE = "LashProcessLog"
INDEX_SERVICE = "LashProcessIndex"
GRANTS_SERVICE = "LashGrants"

_IDS_IN_A_PAGE = 500
# For how much longer than it may hold a question the server is waited for.
_POLL_SLACK_SECONDS = 5.0


class RestateProcessRegistry(LogParking):
    """The registry of processes that an endpoint serves through a Restate server.

    An async context manager.  Any number of programs may use one at the same time, on
    any machine.

    Reads are asked again where the server was not reached or was not ready.  So are
    writes, under one idempotency key each, by which the server makes them once; that
    holds for as long as it keeps such keys.  After ``request_seconds`` either raises
    :class:`~lash_trio.StoreError`, and of a write it is then not known whether it took
    effect: an append with a replay key, a registration and a revocation may simply be
    asked for again.

    A write that was begun is finished also when its caller is cancelled meanwhile, and
    its result is returned; for that, the server gets ``cancelled_write_seconds`` more.
    Who waits for an event waits through restarts of the server.

    Args:
        url: of the ingress, for example ``http://127.0.0.1:8080``.
        namespace: tells applications on one server from each other: up to 64 small
            letters, digits and hyphens, but not ``all``; or nothing.
        options: how long to wait for what.
        transport: for certificates of one's own, for proxies, and for tests.

    Raises:
        InvalidValueError: a URL or a namespace that is none.
    """

    def __init__(
        self,
        url: str,
        namespace: str = "",
        options: RestateRegistryOptions | None = None,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._options = RestateRegistryOptions() if options is None else options
        self._keys = ObjectKeys(namespace)
        self._ingress = Ingress(url, self._options, transport)
        self._url = url
        self._exits: AsyncExitStack | None = None
        self._opened: tuple[trio.Nursery, LogWatch] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r}, namespace={self._keys.namespace!r})"

    async def __aenter__(self) -> Self:
        """Open the HTTP client; connections are made when they are needed.

        Raises:
            StoreError: it is open already.

        A checkpoint.
        """
        if self._exits is not None:
            raise StoreError("the registry is open already")
        async with AsyncExitStack() as exits:
            await exits.enter_async_context(self._ingress)
            nursery = await exits.enter_async_context(trio.open_nursery())
            self._opened = (nursery, LogWatch(nursery, self._ask_news))
            self._exits = exits.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections; a write that is under way is waited for, in bounded time."""
        exits, opened = self._exits, self._opened
        self._exits = self._opened = None
        if exits is None or opened is None:
            raise StoreError("the registry is not open")
        opened[0].cancel_scope.cancel("the registry is closed")
        await exits.__aexit__(None, None, None)

    @property
    def durability_tier(self) -> DurabilityTier:
        """Durable."""
        return DurabilityTier.DURABLE

    @property
    def drives_processes(self) -> bool:
        """True: the endpoints run the processes."""
        return True

    @property
    def tasks_waiting(self) -> int:
        """How many tasks of this program are parked in waits."""
        return self._watch.tasks_waiting

    @property
    def watched_processes(self) -> frozenset[str]:
        """Of which processes the server is asked for news; each takes a connection."""
        return self._watch.watched

    async def register_process(
        self, registration: ProcessRegistration, grant: ProcessStartGrant | None = None
    ) -> ProcessRecord:
        # Here as well: what is refused need not have a shape that can be sent.
        prepare_registration(registration)
        body: JsonObject = {"registration": to_json(registration), "grant": _json(grant)}
        return await self._write_row(registration.id, "register_process", body)

    async def get_process(self, process_id: str) -> ProcessRecord | None:
        return optional_of(ProcessRecord, await self._read(process_id, "get_process", {}))

    async def list_processes(self, filter: ProcessListFilter) -> list[ProcessRecord]:
        is_running = filter.status is ProcessStatusFilter.RUNNING
        status = ProcessStatusFilter.RUNNING if is_running else ProcessStatusFilter.ANY
        found: list[ProcessRecord] = []
        after: str | None = None
        while True:
            page = await self._ask(
                self._call(
                    INDEX_SERVICE,
                    self._keys.whole,
                    "list",
                    {"status": str(status), "after": after, "limit": _IDS_IN_A_PAGE},
                )
            )
            rows = await self._rows(list_in(str, page, "ids"))
            found.extend(row for row in rows if row is not None and filter.matches(row))
            after = optional_in(str, page, "next_after")
            if after is None:
                return found

    async def list_non_terminal(self) -> list[ProcessRecord]:
        return await self.list_processes(ProcessListFilter())

    async def set_external_ref(
        self, process_id: str, external_ref: ProcessExternalRef
    ) -> ProcessRecord:
        body: JsonObject = {"external_ref": to_json(external_ref)}
        return await self._write_row(process_id, "set_external_ref", body)

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        body: JsonObject = {"request": _sendable(process_id, request), "fence": _json(fence)}
        answer = await self._write(process_id, "append_event", body)
        return value_of(ProcessEventAppendResult, answer)

    async def complete_process(
        self, process_id: str, await_output: ProcessAwaitOutput
    ) -> ProcessRecord:
        body: JsonObject = {"await_output": to_json(await_output)}
        return await self._write_row(process_id, "complete_process", body)

    async def events_after(
        self, process_id: str, after_sequence: int, limit: int | None = None
    ) -> list[ProcessEvent]:
        left = None if limit is None else check_limit(limit)
        found: list[ProcessEvent] = []
        while True:
            body: JsonObject = {"after_sequence": after_sequence, "limit": left}
            answer = await self._read(process_id, "events_after", body)
            events = list_in(ProcessEvent, answer, "events")
            found.extend(events)
            if left is not None:
                left -= len(events)
            # An answer holds a bounded number of events.
            if not events or left == 0:
                return found
            after_sequence = events[-1].sequence
            if after_sequence >= number_in(answer, "last_sequence"):
                return found

    async def recent_events(self, process_id: str, limit: int) -> list[ProcessEvent]:
        body: JsonObject = {"limit": check_limit(limit)}
        answer = await self._read(process_id, "recent_events", body)
        events = list_in(ProcessEvent, answer, "events")
        missing = min(limit, number_in(answer, "last_sequence")) - len(events)
        if missing <= 0 or not events:
            return events
        before = events[0].sequence - 1 - missing
        return [*await self.events_after(process_id, before, missing), *events]

    async def count_events_through(
        self, process_id: str, event_type: str, up_to_sequence: int
    ) -> int:
        body: JsonObject = {"event_type": event_type, "up_to_sequence": up_to_sequence}
        return value_of(int, await self._read(process_id, "count_events_through", body))

    async def wake_events_after(self, process_id: str, after_sequence: int) -> list[ProcessEvent]:
        body: JsonObject = {"after_sequence": after_sequence}
        return list_of(ProcessEvent, await self._read(process_id, "wake_events_after", body))

    async def ack_wake(self, process_id: str, sequence: int) -> None:
        await self._write(process_id, "ack_wake", {"sequence": sequence})

    async def wait_event_after(
        self, process_id: str, event_type: str, after_sequence: int
    ) -> ProcessEvent:
        # The first event after a number is mostly the one with the next ordinal; not
        # where the log has yet to reach the number, so that more have to go by.
        ordinal = await self.count_events_through(process_id, event_type, after_sequence)
        while True:
            ordinal += 1
            event = await self.wait_event_nth(process_id, event_type, ordinal)
            if event.sequence > after_sequence:
                return event

    async def wait_event_nth(self, process_id: str, event_type: str, ordinal: int) -> ProcessEvent:
        body: JsonObject = {"event_type": event_type, "ordinal": ordinal}
        return await self._wait_event(process_id, (event_type, ordinal), "nth_event", body)

    async def wait_next_event(self, process_id: str, after_sequence: int) -> ProcessEvent:
        sequence = max(after_sequence, 0) + 1
        return await self._wait_event(
            process_id, any_event(sequence), "event_at", {"sequence": sequence}
        )

    async def await_process(self, process_id: str) -> ProcessAwaitOutput:
        async def look() -> tuple[ProcessAwaitOutput | None, int]:
            answer = await self._read(process_id, "await_output", {})
            found = optional_in(ProcessAwaitOutput, answer, "output")
            return found, number_in(answer, "last_sequence")

        return await self._watch.wait(process_id, END, look)

    async def set_process_wait(
        self, process_id: str, wait: WaitState, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        body: JsonObject = {"wait": to_json(wait), "fence": _json(fence)}
        return await self._write_row(process_id, "set_process_wait", body)

    async def clear_process_wait(
        self, process_id: str, fence: ProcessLease | None = None
    ) -> ProcessRecord:
        return await self._write_row(process_id, "clear_process_wait", {"fence": _json(fence)})

    async def grant_handle(
        self, session_scope: SessionScope, process_id: str, descriptor: ProcessHandleDescriptor
    ) -> ProcessHandleGrant:
        body: JsonObject = {
            "session_scope": to_json(session_scope),
            "process_id": process_id,
            "descriptor": to_json(descriptor),
        }
        return value_of(ProcessHandleGrant, await self._change_grants("grant_handle", body))

    async def revoke_handle(self, session_scope: SessionScope, process_id: str) -> None:
        body: JsonObject = {"session_scope": to_json(session_scope), "process_id": process_id}
        await self._change_grants("revoke_handle", body)

    async def transfer_handle_grants(
        self, from_scope: SessionScope, to_scope: SessionScope, process_ids: Sequence[str]
    ) -> None:
        body: JsonObject = {
            "from_scope": to_json(from_scope),
            "to_scope": to_json(to_scope),
            "process_ids": [*process_ids],
        }
        await self._change_grants("transfer_handle_grants", body)

    async def list_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        body: JsonObject = {"session_scope": to_json(session_scope)}
        answer = await self._ask(self._grants_call("list_handle_grants", body))
        grants = list_of(ProcessHandleGrant, answer)
        rows = await self._rows([grant.process_id for grant in grants])
        return [
            ProcessGrantEntry(grant=grant, record=row)
            for grant, row in zip(grants, rows, strict=True)
            if row is not None
        ]

    async def list_live_handle_grants(self, session_scope: SessionScope) -> list[ProcessGrantEntry]:
        entries = await self.list_handle_grants(session_scope)
        return [entry for entry in entries if not entry.record.is_terminal]

    async def has_handle_grant(self, session_scope: SessionScope, process_id: str) -> bool:
        body: JsonObject = {"session_scope": to_json(session_scope), "process_id": process_id}
        return value_of(bool, await self._ask(self._grants_call("has_handle_grant", body)))

    async def handle_grants_for_process(self, process_id: str) -> list[ProcessHandleGrant]:
        body: JsonObject = {"process_id": process_id}
        answer = await self._ask(self._grants_call("handle_grants_for_process", body))
        return list_of(ProcessHandleGrant, answer)

    async def delete_session_process_state(self, session_id: str) -> ProcessSessionDeleteReport:
        body: JsonObject = {"session_id": session_id}
        answer = await self._change_grants("delete_session_process_state", body)
        return value_of(ProcessSessionDeleteReport, answer)

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        body: JsonObject = {"owner_id": owner_id, "lease_ttl_ms": lease_ttl_ms}
        return value_of(ProcessLease, await self._write(process_id, "claim_process_lease", body))

    async def renew_process_lease(self, lease: ProcessLease, lease_ttl_ms: int) -> ProcessLease:
        body: JsonObject = {"lease": to_json(lease), "lease_ttl_ms": lease_ttl_ms}
        answer = await self._write(lease.process_id, "renew_process_lease", body)
        return value_of(ProcessLease, answer)

    async def complete_process_lease(self, completion: ProcessLeaseCompletion) -> None:
        body: JsonObject = {"completion": to_json(completion)}
        await self._write(completion.process_id, "complete_process_lease", body)

    async def complete_leased_process(
        self, lease: ProcessLease, request: ProcessEventAppendRequest
    ) -> ProcessRecord:
        asked = _sendable(lease.process_id, request)
        body: JsonObject = {"lease": to_json(lease), "request": asked}
        return await self._write_row(lease.process_id, "complete_leased_process", body)

    # What they all are made of.

    @property
    def _nursery(self) -> trio.Nursery:
        return self._open[0]

    @property
    def _watch(self) -> LogWatch:
        return self._open[1]

    @property
    def _open(self) -> tuple[trio.Nursery, LogWatch]:
        if self._opened is None:
            raise StoreError("the registry is closed; use it inside its block")
        return self._opened

    def _call(self, service: str, key: str, handler: str, body: JsonObject) -> HandlerCall:
        return HandlerCall(service=service, key=key, handler=handler, body=body)

    def _log_call(self, process_id: str, handler: str, body: JsonObject) -> HandlerCall:
        try:
            process_id.encode()
        except UnicodeEncodeError as error:
            raise InvalidValueError(
                f"the id of a process is text that UTF-8 can say, got {process_id!r}: {error}"
            ) from error
        return self._call(LOG_SERVICE, self._keys.of_process(process_id), handler, body)

    def _grants_call(self, handler: str, body: JsonObject) -> HandlerCall:
        return self._call(GRANTS_SERVICE, self._keys.whole, handler, body)

    async def _ask(self, call: HandlerCall) -> JsonObject:
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self._ingress.call(call)

    async def _read(self, process_id: str, handler: str, body: JsonObject) -> JsonObject:
        return await self._ask(self._log_call(process_id, handler, body))

    async def _ask_news(self, process_id: str, after_sequence: int) -> JsonObject:
        seconds = self._options.poll_seconds
        call = self._log_call(
            process_id,
            "changed",
            {"after_sequence": after_sequence, "timeout_ms": int(seconds * 1000)},
        )
        answer = await self._ingress.poll(call, seconds + _POLL_SLACK_SECONDS)
        news = answer["Ok"]
        return news if isinstance(news, dict) else {}

    async def _wait_event(
        self, process_id: str, slot: WaitSlot, handler: str, body: JsonObject
    ) -> ProcessEvent:
        async def look() -> tuple[ProcessEvent | None, int]:
            answer = await self._read(process_id, handler, body)
            found = optional_in(ProcessEvent, answer, "event")
            return found, number_in(answer, "last_sequence")

        return await self._watch.wait(process_id, slot, look)

    async def _write(self, process_id: str, handler: str, body: JsonObject) -> JsonObject:
        answer = await self._finished(self._log_call(process_id, handler, body))
        if self._opened is not None and "appended" in answer:
            self._watch.tell(process_id, answer["appended"])
        return answer

    async def _write_row(self, process_id: str, handler: str, body: JsonObject) -> ProcessRecord:
        return value_of(ProcessRecord, await self._write(process_id, handler, body))

    async def _change_grants(self, handler: str, body: JsonObject) -> JsonObject:
        return await self._finished(self._grants_call(handler, body))

    async def _finished(self, call: HandlerCall) -> JsonObject:
        """Write under an idempotency key, whoever is cancelled meanwhile."""
        keyed = attrs.evolve(call, idempotency_key=uuid.uuid4().hex)
        grace_seconds = self._options.cancelled_write_seconds
        return await run_to_end(
            self._nursery,
            lambda: self._ingress.call(keyed),
            grace_seconds=grace_seconds,
            unknown=StoreError(
                f"{call.handler} was cancelled while it was under way, and {self._url} did not "
                f"answer within another {grace_seconds:g} s, so it is not known whether it took "
                "effect; look before you ask again"
            ),
        )

    async def _rows(self, process_ids: Sequence[str]) -> list[ProcessRecord | None]:
        """The rows under these ids, in their order; some are asked for at a time."""
        rows: list[ProcessRecord | None] = [None] * len(process_ids)
        left = iter(enumerate(process_ids))
        failed: list[Exception] = []

        async def fetch() -> None:
            for index, process_id in left:
                try:
                    rows[index] = await self.get_process(process_id)
                except Exception as error:  # noqa: BLE001
                    # One is told, and not as a group: nobody asked for a nursery.
                    failed.append(error)
                    nursery.cancel_scope.cancel("a row could not be read")

        async with trio.open_nursery() as nursery:
            for _ in range(min(self._options.rows_at_once, len(process_ids))):
                nursery.start_soon(fetch)
        if failed:
            raise failed[0]
        return rows


def _sendable(process_id: str, request: ProcessEventAppendRequest) -> JsonValue:
    """A request as JSON; what cannot be said in it is refused as the append rules do."""
    try:
        copy_json(request.payload)
    except WireError as error:
        raise PluginError(
            PluginReason.INVALID_PAYLOAD,
            f"the payload of {request.event_type!r} for process {process_id!r} is no JSON: "
            f"{error.message}",
        ) from error
    return to_json(request)


def _json(value: object | None) -> JsonValue:
    return None if value is None else to_json(value)
