"""Waits for events in the logs of processes: awakeables that the registry completes.

An awakeable has its id recorded under the name of the wait, is parked with the process
whose event is waited for, and is found again by every later attempt.
"""

from __future__ import annotations

import logging

import attrs
import trio

from ...abc import EffectController, LocalExecution
from ...kernel import END, InlineEffectController, LocalExecutor, ShownWait, WaitSlot
from ...model import (
    AwaitEventOutcome,
    AwaitProcess,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    JsonObject,
    JsonValue,
    ProcessAwaited,
    ProcessAwaitOutput,
    ProcessCausalRef,
    ProcessEffectCommand,
    ProcessOutcome,
    ProcessRegistration,
    SleepCommand,
    StartProcess,
    WaitState,
    WireError,
    dumps,
    from_json,
    loads,
    parse_json,
)
from ._attempt import Attempt
from ._parking import ParkingRegistry
from ._requests import Awakeable
from ._ways import (
    AskedWait,
    DurableSleep,
    DurableWays,
    NoProcessControl,
    invalid_ordinal,
    not_json,
    wait_command,
)

_logger = logging.getLogger("lash_trio.engines.restate")

_FORGET_SECONDS = 5.0
_PARKED = "parked:"
_CHILD = "child:"


@attrs.frozen
class Place:
    """What is waited for: a slot of a process."""

    process_id: str
    slot: WaitSlot


@attrs.frozen
class _Parked:
    """What an awakeable is parked for, as it is noted."""

    process_id: str
    event_type: str
    number: int
    awakeable: str


@attrs.frozen(kw_only=True)
class LogWays(DurableWays):
    """A process that has a log, and reaches others.

    Args:
        attempt: at its invocation.
        process_id: whose.
        registry: keeps the logs.
        nursery: in which what nobody waits for any more is forgotten.
    """

    attempt: Attempt
    process_id: str
    registry: ParkingRegistry
    nursery: trio.Nursery
    _settled: set[str] = attrs.field(factory=set[str], init=False)

    def wait_event(self, asked: AskedWait) -> LocalExecution:
        """Waits for what a log has, or will have."""
        return _LogWait(self, asked)

    def sleep(self, asked: AskedWait) -> LocalExecution:
        """Waits for a timer, and the row shows it."""
        return _LogSleep(self, asked)

    def commands(self, prefix: str) -> EffectController:
        """Runs commands on the registry of their executor."""
        return _Commands(self, prefix)

    @property
    def started(self) -> list[ProcessRegistration]:
        """The children that this or an earlier attempt has started, or was about to."""
        notes = [self.attempt.noted(_CHILD + name) for name in self.attempt.noted_names(_CHILD)]
        return [loads(ProcessRegistration, note) for note in notes if note is not None]

    async def await_end(self, name: str, process_id: str) -> ProcessAwaitOutput:
        """Wait for the end of a process, however long."""
        place = Place(process_id, END)
        awakeable = await self.attempt.awakeable(name)
        found: JsonObject | None = None
        if not awakeable.is_completed:
            with self.attempt.working():
                found = await self.park(name, place, awakeable, None)
        if found is None:
            found = _parsed(name, await self.attempt.completed(awakeable))
        self._settled.add(name)
        return from_json(ProcessAwaitOutput, found)

    async def park(
        self, name: str, place: Place, awakeable: Awakeable, wait: WaitState | None
    ) -> JsonObject | None:
        """Park an awakeable once, and have the row of this process show a wait."""
        registry, own = self.registry, self.process_id
        found: JsonObject | None = None
        if self.attempt.noted(_PARKED + name) is None:
            own_wait = wait if place.process_id == own else None
            found = await registry.park(place.process_id, place.slot, awakeable.id, own_wait)
            if found is None:
                parked = _Parked(place.process_id, *place.slot, awakeable.id)
                # Lost, it is parked once more, which is no change.
                await self.attempt.note(_PARKED + name, dumps(parked).encode(), wait=False)
            if own_wait is not None:
                return found
        if found is None and wait is not None:
            await registry.set_process_wait(own, wait)
        return found

    def settle(self, name: str) -> None:
        """Note that a wait is over by what opened its slot."""
        self._settled.add(name)

    def forget(self, name: str) -> None:
        """Have a parked awakeable forgotten that nobody waits for any more."""
        self._settled.add(name)
        self.nursery.start_soon(self._unpark, name)

    async def forget_all(self) -> None:
        """Forget what this or an earlier attempt has parked with others; the process is over."""
        with trio.move_on_after(_FORGET_SECONDS):
            async with trio.open_nursery() as nursery:
                for name in self.attempt.noted_names(_PARKED):
                    if name not in self._settled:
                        nursery.start_soon(self._unpark, name)

    async def _unpark(self, name: str) -> None:
        noted = self.attempt.noted(_PARKED + name)
        if noted is None:
            return
        parked = loads(_Parked, noted.decode())
        if parked.process_id == self.process_id:
            return
        slot = (parked.event_type, parked.number)
        try:
            await self.registry.unpark(parked.process_id, slot, parked.awakeable)
        except EffectError as error:
            # It stays where it is until the event comes, and then does nothing.
            _logger.debug("the wait %s was not forgotten: %s", name, error)


@attrs.frozen
class _LogWait(NoProcessControl):
    ways: LogWays
    asked: AskedWait

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        command = wait_command(envelope)
        place = self._place(envelope, command.key)
        attempt = self.ways.attempt
        awakeable = await attempt.awakeable(self.asked.name)
        if not awakeable.is_completed and not attempt.was_over(self.asked.name):
            found = await self._park(envelope, place, awakeable)
            if found is not None:
                return _outcome(place, found)
        if command.timeout_ms is None:
            value: bytes | None = await attempt.completed(awakeable)
            self.asked.on_derived(envelope.replay_key)
        else:
            value = await attempt.completed_until(awakeable, self.asked.name, command.timeout_ms)
        if value is None:
            self.ways.forget(self.asked.name)
            return AwaitEventOutcome(payload=None, timed_out=True)
        self.ways.settle(self.asked.name)
        return _outcome(place, _parsed(self.asked.name, value))

    async def _park(
        self, envelope: EffectEnvelope, place: Place, awakeable: Awakeable
    ) -> JsonObject | None:
        async def write(wait: WaitState | None) -> JsonObject | None:
            return await self.ways.park(self.asked.name, place, awakeable, wait)

        with self.ways.attempt.working():
            local = self.asked.local
            if isinstance(local, ShownWait):
                return await local.park(envelope, write)
            return await write(None)

    def _place(self, envelope: EffectEnvelope, key: str) -> Place:
        local = self.asked.local
        executor = local.inner if isinstance(local, ShownWait) else local
        awaited = executor.awaited if isinstance(executor, LocalExecutor) else None
        place = _place_of_key(key) if awaited is None else Place(*awaited)
        if place is None:
            raise EffectError(
                EffectErrorCode.EXECUTOR_UNAVAILABLE,
                f"the effect {envelope.effect_id!r} waits for {key!r}; on Restate a process can "
                "wait for events and ends of processes, whose keys are 'process:<id>:<type>:"
                "<ordinal>' and 'process:<id>:end'",
            )
        event_type, ordinal = place.slot
        if place.slot != END and ordinal < 1:
            raise invalid_ordinal(envelope, event_type, ordinal)
        return place


@attrs.frozen
class _LogSleep(NoProcessControl):
    ways: LogWays
    asked: AskedWait

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        async def write(wait: WaitState) -> JsonObject | None:
            await self.ways.registry.set_process_wait(self.ways.process_id, wait)
            return None

        local, command = self.asked.local, envelope.command
        if (
            isinstance(local, ShownWait)
            and isinstance(command, SleepCommand)
            and command.duration_ms > 0
            and not self.ways.attempt.was_over(self.asked.name)
        ):
            with self.ways.attempt.working():
                await local.park(envelope, write)
        return await DurableSleep(self.ways.attempt, self.asked.name).execute(envelope)


@attrs.frozen
class _Commands(EffectController):
    ways: LogWays
    prefix: str

    async def execute_effect(
        self, envelope: EffectEnvelope, local_executor: LocalExecution
    ) -> EffectOutcome:
        attempt = self.ways.attempt
        command = envelope.command
        inner = command.command if isinstance(command, ProcessEffectCommand) else None
        match inner:
            case StartProcess(registration=registration) if (
                registration.provenance.caused_by
                == ProcessCausalRef(process_id=self.ways.process_id)
            ):
                # Before it is started: whoever ends this process must know of it.
                if attempt.noted(_CHILD + registration.id) is None:
                    note = dumps(registration).encode()
                    await attempt.note(_CHILD + registration.id, note)
            case AwaitProcess(process_id=process_id):
                name = self.prefix + envelope.replay_key
                output = await self.ways.await_end(name, process_id)
                return ProcessOutcome(result=ProcessAwaited(output=output))
            case _:
                pass
        with attempt.working():
            return await InlineEffectController().execute_effect(envelope, local_executor)


def _place_of_key(key: str) -> Place | None:
    """Read the key of a wait whose executor does not say; a type has no colon then."""
    if not key.startswith("process:"):
        return None
    named, _, last = key.removeprefix("process:").rpartition(":")
    if last == "end":
        return Place(named, END)
    process_id, _, event_type = named.rpartition(":")
    if not process_id or not last.removeprefix("-").isdecimal():
        return None
    return Place(process_id, (event_type, int(last)))


def _outcome(place: Place, found: JsonObject) -> EffectOutcome:
    payload: JsonValue = found if place.slot == END else found.get("payload")
    return AwaitEventOutcome(payload=payload)


def _parsed(name: str, data: bytes) -> JsonObject:
    try:
        value = parse_json(data)
    except WireError as error:
        raise not_json(name, error) from error
    if not isinstance(value, dict):
        raise not_json(name, WireError(EffectErrorCode.INVALID_JSON, f"got {value!r}"))
    return value
