"""The object of a process's log: what the kit for registries does not see of it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
from hypothesis import given, settings, strategies as st

from lash_trio import EffectError, PluginError, ProcessEventAppendRequest, ProcessInput
from lash_trio.engines.restate._object import Target
from lash_trio.model import (
    JsonObject,
    ProcessAwaitOutput,
    ProcessEventType,
    ProcessProvenance,
    ProcessRegistration,
    RerunDisposition,
    SleepWait,
    WaitState,
    terminal_event,
    to_json,
)
from lash_trio.testing.conformance import ManualClock
from tests.engines.restate.fake_restate import FakeCall, FakeRestate

LOG = "LashProcessLog"
PLAIN = ProcessRegistration(
    id="p1",
    input=ProcessInput.external(),
    event_types=(ProcessEventType(name="signal.a"), ProcessEventType(name="signal.b/1")),
    provenance=ProcessProvenance.host("tests"),
)
DONE = ProcessAwaitOutput.success(1)


def function(rerun: RerunDisposition) -> ProcessInput:
    return attrs.evolve(ProcessInput.function("order", {"sku": "x"}), rerun=rerun)


def request(event_type: str = "signal.a", payload: Any = None, key: str | None = None) -> Any:
    asked = ProcessEventAppendRequest(event_type=event_type, payload=payload)
    return to_json(asked if key is None else asked.with_replay_key(key))


@attrs.define
class Log:
    """One process."""

    restate: FakeRestate = attrs.field(factory=lambda: FakeRestate(ManualClock()))

    async def register(self, registration: ProcessRegistration = PLAIN) -> Any:
        return await self.ask("register_process", registration=to_json(registration))

    async def ask(self, handler: str, **body: Any) -> Any:
        return await self.restate.value(LOG, "p1", handler, **body)

    async def append(self, *types: str) -> None:
        for event_type in types or ("signal.a",):
            await self.ask("append_event", request=request(event_type))

    async def end(self) -> None:
        await self.ask("append_event", request=to_json(terminal_event("p1", DONE)))

    @property
    def state(self) -> dict[str, str]:
        return self.restate.state[LOG, "p1"]


async def test_an_append_reads_as_much_of_a_long_log_as_of_a_short_one() -> None:
    log = Log()
    await log.register()
    costs: set[int] = set()
    for number in range(40):
        before = log.restate.reads["append_event"]
        await log.ask("append_event", request=request(key=f"k{number}"))
        costs.add(log.restate.reads["append_event"] - before)
    assert costs == {3}


async def test_an_event_is_found_at_once_however_long_the_log() -> None:
    log = Log()
    await log.register()
    costs: set[int] = set()
    for number in range(1, 30):
        await log.append("signal.b/1", "signal.a")
        before = log.restate.reads["nth_event"]
        found = await log.ask("nth_event", event_type="signal.a", ordinal=number)
        assert found["event"]["sequence"] == 2 * number
        costs.add(log.restate.reads["nth_event"] - before)
    assert costs == {4}


@settings(max_examples=60)
@given(st.lists(st.booleans(), max_size=120), st.integers(-2, 130))
def test_events_are_counted_and_found_without_reading_all(kinds: list[bool], through: int) -> None:
    async def main() -> None:
        log = Log()
        await log.register()
        await log.append(*("signal.a" if kind else "signal.b/1" for kind in kinds)) if kinds else ()
        counted = await log.ask(
            "count_events_through", event_type="signal.a", up_to_sequence=through
        )
        assert counted == sum(kinds[: max(through, 0)])
        assert log.restate.reads["count_events_through"] <= 2 + 16 * 3
        found = await log.ask("first_after", event_type="signal.a", after_sequence=through)
        later = [n for n, kind in enumerate(kinds, 1) if kind and n > through]
        event = found["event"]
        assert (None if event is None else event["sequence"]) == (later[0] if later else None)
        assert found["last_sequence"] == len(kinds)

    trio.run(main)


async def test_events_come_in_pages() -> None:
    log = Log()
    await log.register()
    for _ in range(300):
        await log.append()
    found = await log.ask("events_after", after_sequence=10)
    assert [event["sequence"] for event in found["events"]] == list(range(11, 267))
    assert found["last_sequence"] == 300
    found = await log.ask("recent_events", limit=1000)
    assert [event["sequence"] for event in found["events"]] == list(range(45, 301))


async def test_what_is_parked_is_completed_by_the_event_it_waits_for_and_no_other() -> None:
    log = Log()
    await log.register()
    slots: dict[str, JsonObject] = {
        "second": {"type": "signal.a", "ordinal": 2},
        "third event": {"sequence": 3},
        "end": {"end": True},
    }
    for name, slot in slots.items():
        for _ in range(2):
            assert await log.ask("park", slot=slot, awakeable=name) is None
    await log.append()
    assert log.restate.completed == {}
    await log.append("signal.b/1")
    assert log.restate.completed == {}
    await log.append()
    third = log.restate.completed["second"]
    assert '"sequence":3' in third
    assert log.restate.completed == {"second": third, "third event": third}
    await log.end()
    assert log.restate.completed["end"] == '{"type":"success","value":1}'
    assert not [key for key in log.state if key.startswith("p/")]


async def test_what_is_there_already_is_not_waited_for() -> None:
    log = Log()
    await log.register()
    await log.append()
    await log.end()
    wait = to_json(WaitState(kind=SleepWait(key="k", due_at_ms=1), since_ms=0))
    by_type: JsonObject = {"type": "signal.a", "ordinal": 1}
    found = await log.ask("park", slot=by_type, awakeable="x", wait=wait)
    assert found["event"]["sequence"] == 1
    assert (await log.ask("park", slot={"sequence": 1}, awakeable="x"))["event"]["sequence"] == 1
    found = await log.ask("park", slot={"end": True}, awakeable="x")
    assert found == {"output": {"type": "success", "value": 1}}
    assert not [key for key in log.state if key.startswith("p/")]


async def test_parking_sets_the_wait_and_tells_of_its_event() -> None:
    log = Log()
    await log.register()
    wait = to_json(WaitState(kind=SleepWait(key="k", due_at_ms=1), since_ms=0))
    asked: JsonObject = {
        "slot": {"type": "signal.a", "ordinal": 1},
        "awakeable": "x",
        "wait": wait,
    }
    answer = await log.restate.call(LOG, "p1", "park", asked)
    appended = {
        "sequence": 1,
        "event_type": "process.waiting",
        "ordinal": 1,
        "is_terminal": False,
    }
    assert answer == {"Ok": None, "appended": appended}
    assert (await log.ask("get_process"))["wait"] == wait
    # Parked again, maybe by another attempt of the same: no change.
    assert await log.restate.call(LOG, "p1", "park", asked) == {"Ok": None}
    await log.append()
    assert list(log.restate.completed) == ["x"]


async def test_an_awakeable_is_taken_back() -> None:
    log = Log()
    await log.register()
    slot: JsonObject = {"type": "signal.a", "ordinal": 1}
    before = dict(log.state)
    for name in ("x", "y"):
        await log.ask("park", slot=slot, awakeable=name)
    for name in ("x", "nobody", "x"):
        await log.ask("unpark", slot=slot, awakeable=name)
    await log.append()
    assert list(log.restate.completed) == ["y"]
    await log.ask("park", slot={"end": True}, awakeable="z")
    await log.ask("unpark", slot={"end": True}, awakeable="z")
    assert set(log.state) - set(before) == {"e/1", "n/signal.a/1"}
    assert '"parked":[]' in log.state["row"]


@pytest.mark.parametrize(
    ("slot", "code"),
    [
        ({"type": "signal.a", "ordinal": 0}, "invalid_ordinal"),
        ({"type": "no.such", "ordinal": 1}, "undeclared_event_type"),
        ({"type": "signal.a"}, "invalid_value"),
        ({"sequence": 0}, "invalid_value"),
        ({"end": False}, "invalid_value"),
        ({}, "invalid_value"),
        ("end", "invalid_value"),
    ],
)
async def test_a_slot_that_would_never_open_is_refused(slot: Any, code: str) -> None:
    log = Log()
    await log.register()
    with pytest.raises(EffectError) as refused:
        await log.ask("park", slot=slot, awakeable="x")
    error = refused.value
    assert (error.reason if isinstance(error, PluginError) else error.code) == code


async def test_changed_tells_of_what_is_there_or_comes(autojump_clock: object) -> None:
    log = Log()
    await log.register()
    await log.append("signal.a", "signal.b/1", "signal.b/1")
    found = await log.ask("changed", after_sequence=1, timeout_ms=1000)
    told = [(e["sequence"], e["event_type"], e["ordinal"]) for e in found["events"]]
    assert told == [(2, "signal.b/1", 1), (3, "signal.b/1", 2)]
    assert (found["last_sequence"], found["is_terminal"]) == (3, False)

    async with trio.open_nursery() as nursery:

        async def later() -> None:
            await trio.sleep(5)
            await log.end()

        nursery.start_soon(later)
        found = await log.ask("changed", after_sequence=3, timeout_ms=10_000)
        assert trio.current_time() == 5
    (event,) = found["events"]
    assert (event["sequence"], event["event_type"]) == (4, "process.completed")
    assert found["is_terminal"]


async def test_changed_ends_at_its_time_also_where_the_process_has_ended(
    autojump_clock: object,
) -> None:
    log = Log()
    await log.register()
    await log.end()
    before = trio.current_time()
    found = await log.ask("changed", after_sequence=1, timeout_ms=2000)
    assert trio.current_time() == before + 2
    assert found == {"last_sequence": 1, "is_terminal": True, "events": []}
    assert not [key for key in log.state if key.startswith("p/")]
    for timeout_ms in (0, 600_001):
        with pytest.raises(EffectError, match="between 1 and 600000"):
            await log.ask("changed", after_sequence=1, timeout_ms=timeout_ms)


async def test_a_function_is_sent_to_its_workflow_once() -> None:
    log = Log(FakeRestate(ManualClock(), runs_processes=True))
    asked = attrs.evolve(PLAIN, input=function(RerunDisposition.RERUNNABLE))
    for _ in range(2):
        await log.register(asked)
    started = (Target("LashProcess", "p1", "run"), {"definition": "order", "args": {"sku": "x"}})
    assert log.restate.sent == [started]
    for reason in ("enough", "still enough"):
        cancel = ProcessEventAppendRequest.cancel_requested("p1", reason)
        await log.ask("append_event", request=to_json(cancel))
    cancelled = (Target("LashProcess", "p1", "cancel"), {"reason": "enough"})
    assert log.restate.sent == [started, cancelled]


@pytest.mark.parametrize(
    ("input", "runs_processes"),
    [
        (function(RerunDisposition.RERUNNABLE), False),
        (function(RerunDisposition.EXTERNAL), True),
        (ProcessInput.external(), True),
    ],
)
async def test_what_is_not_run_here_is_sent_nowhere(
    input: ProcessInput, runs_processes: bool
) -> None:
    log = Log(FakeRestate(ManualClock(), runs_processes=runs_processes))
    await log.register(attrs.evolve(PLAIN, input=input))
    assert log.restate.sent == []


async def test_a_registration_under_another_key_is_refused() -> None:
    log = Log()
    with pytest.raises(PluginError, match="cannot be registered under the key 'p1'"):
        await log.register(attrs.evolve(PLAIN, id="p2"))
    assert log.restate.state == {} or not log.state


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        (b"", "invalid_json", "expected JSON"),
        (b"{", "invalid_json", "expected JSON"),
        (b"\xff", "invalid_json", "expected JSON"),
        (b'{"request": NaN}', "invalid_json", "finite"),
        (b"[]", "invalid_value", "JSON object"),
        (b"{}", "invalid_value", "'request'"),
        (b'{"request": {}}', "invalid_value", "event_type"),
        (b'{"request": {"event_type": 5}}', "invalid_value", "event_type"),
        (b'{"request": {"event_type": "signal.a"}, "fence": 1}', "invalid_value", "ProcessLease"),
    ],
)
async def test_a_request_that_is_none_is_answered(body: bytes, code: str, told: str) -> None:
    log = Log()
    await log.register()
    answer = await log.restate.ask(Target(LOG, "p1", "append_event"), body)
    error: Any = answer["Err"]
    assert (error["class"], error["code"]) == ("effect", code)
    assert told in error["message"]


class Killed(Exception):
    """The call was killed, by an operator."""


@attrs.define(eq=False)
class KilledCall(FakeCall):
    """A call that is killed after some writes."""

    writes_left: int = 0

    def write(self, key: str, text: str) -> None:
        if not self.writes_left:
            raise Killed
        self.writes_left -= 1
        super().write(key, text)


@pytest.mark.parametrize("writes", range(4))
async def test_an_append_that_was_killed_has_left_nothing(
    writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log()
    await log.register()
    await log.append()
    row = await log.ask("get_process")

    def killed(restate: FakeRestate, target: Target) -> KilledCall:
        return KilledCall(restate, target, writes_left=writes)

    monkeypatch.setattr("tests.engines.restate.fake_restate.FakeCall", killed)
    with pytest.raises(Killed):
        await log.ask("append_event", request=request("signal.b/1", 1, "k"))
    monkeypatch.undo()
    assert await log.ask("get_process") == row
    assert len((await log.ask("events_after", after_sequence=0))["events"]) == 1
    nth = await log.ask("nth_event", event_type="signal.b/1", ordinal=1)
    assert nth == {"event": None, "last_sequence": 1}
    # The number goes to another event, and the key is free.
    await log.append("signal.a")
    again = await log.ask("append_event", request=request("signal.b/1", 2, "k"))
    assert (again["replayed"], again["event"]["sequence"]) == (False, 3)


async def test_acknowledged_wakes_are_not_read_again() -> None:
    from lash_trio.testing._conformance._wakes import WAKEABLE, WAKING

    log = Log()
    await log.register(WAKEABLE)
    for _ in range(10):
        await log.append(WAKING)
    for sequence in (3, 2, 1, 10, 4, 1):
        await log.ask("ack_wake", sequence=sequence)
    found = await log.ask("wake_events_after", after_sequence=6)
    assert [event["sequence"] for event in found] == [7, 8, 9]
    before = log.restate.reads["wake_events_after"]
    await log.ask("wake_events_after", after_sequence=9)
    # The row, and the wakes from the first that is left: 5 to 10.
    assert log.restate.reads["wake_events_after"] - before == 2 + 6
    for sequence in range(5, 10):
        await log.ask("ack_wake", sequence=sequence)
    assert not [key for key in log.state if key.startswith("w/")]
    await log.append(WAKING)
    found = await log.ask("wake_events_after", after_sequence=0)
    assert [event["sequence"] for event in found] == [11]
