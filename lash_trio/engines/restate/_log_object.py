"""The exclusive handlers of a process's object: the rules of the registry's writes.

Source: the port :class:`lash_trio.abc.ProcessRegistry`, whose methods they are.
"""

from __future__ import annotations

import attrs

from ...model import (
    FunctionInput,
    JsonObject,
    LeaseClaim,
    LeaseState,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
    ProcessExternalRef,
    ProcessHandleGrant,
    ProcessLease,
    ProcessLeaseCompletion,
    ProcessRegistration,
    ProcessStartGrant,
    RerunDisposition,
    WaitState,
    check_fence,
    check_ownable,
    check_same_registration,
    claim_lease,
    dumps,
    prepare_registration,
    release_lease,
    renew_lease,
    resumed_event,
    terminal_event,
    to_json,
    waiting_event,
)
from ._answer import Asked, ok
from ._discovery import PROCESS_SERVICE, RUN
from ._keys import process_of
from ._log_append import Append, decide_append, write_append
from ._log_reads import first_of_slot, present_wakes
from ._log_state import (
    LEASE,
    REGISTERED,
    ROW,
    LogRow,
    ProcessLog,
    StoredEvent,
    event_key,
    find_log,
    get_log,
    slot_key,
    wake_key,
)
from ._object import GRANTS_SERVICE, INDEX_SERVICE, ObjectCall, Target
from ._slots import parked_from_text, slot_of


@attrs.frozen
class LogWrites:
    """The handlers that write.

    Args:
        runs_processes: whether the endpoint runs what is registered.
    """

    runs_processes: bool

    async def register_process(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Add the process, with a grant if there is one."""
        prepared = prepare_registration(asked.take(ProcessRegistration, "registration"))
        grant = asked.find(ProcessStartGrant, "grant")
        key = process_of(call.key)
        if prepared.registration.id != key.process_id:
            raise PluginError(
                PluginReason.INVALID_REGISTRATION,
                f"process {prepared.registration.id!r} cannot be registered under the key "
                f"{call.key!r}, which is that of {key.process_id!r}",
            )
        log = await find_log(call)
        if log is not None:
            check_same_registration(log.record, prepared)
        await call.call(
            Target(INDEX_SERVICE, key.keys.whole, "add"),
            {"process_id": key.process_id},
        )
        if grant is not None:
            given = ProcessHandleGrant(
                session_scope=grant.session_scope,
                process_id=key.process_id,
                descriptor=grant.descriptor,
            )
            await call.call(
                Target(GRANTS_SERVICE, key.keys.whole, "put"), {"grant": to_json(given)}
            )
        if log is not None:
            return ok(to_json(log.record))
        record = prepared.record(call.now_ms())
        call.write(REGISTERED, dumps(record))
        call.write(ROW, dumps(LogRow(updated_at_ms=record.updated_at_ms)))
        match record.input:
            case FunctionInput(name=name, args=args, rerun=rerun) if (
                self.runs_processes and rerun is not RerunDisposition.EXTERNAL
            ):
                body: JsonObject = {"definition": name, "args": args}
                call.send(Target(PROCESS_SERVICE, call.key, RUN), body)
            case _:
                pass
        return ok(to_json(record))

    async def set_external_ref(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Note which work outside stands for the process."""
        external_ref = asked.take(ProcessExternalRef, "external_ref")
        log = await get_log(call)
        now_ms = call.now_ms()
        log.row = attrs.evolve(log.row, external_ref=external_ref, updated_at_ms=now_ms)
        call.write(ROW, dumps(log.row))
        return ok(to_json(log.record))

    async def append_event(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Append an event."""
        request = asked.take(ProcessEventAppendRequest, "request")
        fence = asked.find(ProcessLease, "fence")
        log = await _open(call, request, fence)
        append = await self._append(call, log, request, fence, log.row.wait)
        prepared = append.prepared
        result = ProcessEventAppendResult(
            event=prepared.event,
            wake_delivery=prepared.wake_delivery,
            replayed=prepared.replayed,
        )
        return ok(to_json(result), append.told)

    async def complete_process(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """End the process."""
        output = asked.take(ProcessAwaitOutput, "await_output")
        request = terminal_event(process_of(call.key).process_id, output)
        log = await _open(call, request, None)
        append = await self._append(call, log, request, None, log.row.wait)
        return ok(to_json(log.record), append.told)

    async def ack_wake(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Acknowledge a wake event."""
        sequence = asked.take(int, "sequence")
        log = await get_log(call)
        if not 1 <= sequence <= log.row.last_sequence:
            return ok(None)
        (text,) = await call.read(event_key(sequence))
        wake = None if text is None else StoredEvent.read(text).wake
        if wake is None or wake < log.row.first_wake:
            return ok(None)
        first_wake = log.row.first_wake
        if wake == first_wake:
            left = await present_wakes(call, wake + 1, log.row.last_wake, most=1)
            first_wake = left[0][0] if left else log.row.last_wake + 1
        call.clear(wake_key(wake))
        if first_wake != log.row.first_wake:
            call.write(ROW, dumps(attrs.evolve(log.row, first_wake=first_wake)))
        return ok(None)

    async def set_process_wait(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Note what the process waits for."""
        wait = asked.take(WaitState, "wait")
        fence = asked.find(ProcessLease, "fence")
        log = await get_log(call, with_lease=fence is not None)
        told = await self._set_wait(call, log, wait, fence)
        return ok(to_json(log.record), told)

    async def clear_process_wait(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Note that the process waits no longer."""
        fence = asked.find(ProcessLease, "fence")
        log = await get_log(call, with_lease=fence is not None)
        request = resumed_event(log.record)
        if request is None:
            return ok(to_json(log.record))
        append = await self._append(call, log, request, fence, None)
        return ok(to_json(log.record), append.told)

    async def park(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Have an awakeable completed by what opens a slot; answer with it if it is open."""
        slot = slot_of(asked)
        name = asked.take(str, "awakeable")
        wait = asked.find(WaitState, "wait")
        fence = asked.find(ProcessLease, "fence")
        log = await get_log(call, with_lease=fence is not None)
        if fence is not None:
            check_fence(log.lease, fence, call.now_ms())
        found = await first_of_slot(call, log, slot)
        told: JsonObject | None = None
        if found is None and wait is not None:
            told = await self._set_wait(call, log, wait, fence)
            # Maybe it was this very event that was waited for.
            found = await first_of_slot(call, log, slot)
        if found is not None:
            return ok(found, told)
        parked: list[str] = []
        if slot.name in log.row.parked:
            parked = parked_from_text((await call.read(slot_key(slot.name)))[0])
        if name not in parked:
            call.write(slot_key(slot.name), dumps([*parked, name]))
        if slot.name not in log.row.parked:
            log.row = attrs.evolve(log.row, parked=(*log.row.parked, slot.name))
            call.write(ROW, dumps(log.row))
        return ok(None, told)

    async def unpark(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Forget an awakeable."""
        slot = slot_of(asked).name
        name = asked.take(str, "awakeable")
        log = await get_log(call)
        if slot not in log.row.parked:
            return ok(None)
        parked = parked_from_text((await call.read(slot_key(slot)))[0])
        left = [each for each in parked if each != name]
        if left:
            call.write(slot_key(slot), dumps(left))
            return ok(None)
        call.clear(slot_key(slot))
        still = tuple(each for each in log.row.parked if each != slot)
        call.write(ROW, dumps(attrs.evolve(log.row, parked=still)))
        return ok(None)

    async def claim_process_lease(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Make somebody the one owner of the process."""
        owner_id = asked.take(str, "owner_id")
        lease_ttl_ms = asked.take(int, "lease_ttl_ms")
        log = await get_log(call, with_lease=True)
        check_ownable(log.id, log.row.status)
        claim = LeaseClaim(
            process_id=log.id,
            owner_id=owner_id,
            lease_ttl_ms=lease_ttl_ms,
            lease_token=call.token(),
            now_ms=call.now_ms(),
        )
        state, lease = claim_lease(log.lease, claim)
        call.write(LEASE, dumps(state))
        return ok(to_json(lease))

    async def renew_process_lease(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Keep a lease for longer."""
        lease = asked.take(ProcessLease, "lease")
        lease_ttl_ms = asked.take(int, "lease_ttl_ms")
        log = await get_log(call, with_lease=True)
        state, renewed = renew_lease(log.lease, lease, lease_ttl_ms, call.now_ms())
        call.write(LEASE, dumps(state))
        return ok(to_json(renewed))

    async def complete_process_lease(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Give a lease back."""
        completion = asked.take(ProcessLeaseCompletion, "completion")
        log = await get_log(call, with_lease=True)
        _release(call, log.lease, completion)
        return ok(None)

    async def complete_leased_process(self, call: ObjectCall, asked: Asked) -> JsonObject:
        """Append the event that ends the process, and give the lease back."""
        lease = asked.take(ProcessLease, "lease")
        request = asked.take(ProcessEventAppendRequest, "request")
        log = await _open(call, request, lease)
        append = await self._append(call, log, request, lease, log.row.wait)
        _release(call, log.lease, ProcessLeaseCompletion.of(lease))
        return ok(to_json(log.record), append.told)

    async def _set_wait(
        self, call: ObjectCall, log: ProcessLog, wait: WaitState, fence: ProcessLease | None
    ) -> JsonObject | None:
        request = waiting_event(log.record, wait)
        if request is None:
            return None
        return (await self._append(call, log, request, fence, wait)).told

    async def _append(
        self,
        call: ObjectCall,
        log: ProcessLog,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None,
        wait: WaitState | None,
    ) -> Append:
        """Append an event, after which the process waits for ``wait``."""
        now_ms = call.now_ms()
        if fence is not None:
            check_fence(log.lease, fence, now_ms)
        append = await decide_append(call, log, request, now_ms)
        if not append.prepared.replayed:
            await write_append(call, log, append, wait, runs_processes=self.runs_processes)
        return append


async def _open(
    call: ObjectCall, request: ProcessEventAppendRequest, fence: ProcessLease | None
) -> ProcessLog:
    """The log as an append needs it."""
    return await get_log(
        call,
        under_key=None if request.replay is None else request.replay.key,
        with_lease=fence is not None,
    )


def _release(call: ObjectCall, state: LeaseState, completion: ProcessLeaseCompletion) -> None:
    released = release_lease(state, completion)
    if released is not state:
        call.write(LEASE, dumps(released))
