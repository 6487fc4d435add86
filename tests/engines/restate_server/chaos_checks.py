"""What endpoints and logs tell when all is over, and what has to be true of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import attrs

from lash_trio import JsonValue, ProcessAwaitOutput, ProcessEvent, ProcessSuccess
from lash_trio.abc import ProcessRegistry
from lash_trio.model import CANCEL_REQUESTED, ProcessCancellation
from tests.engines.restate_server.chaos_app import NOTHING

REASON = "no longer needed"
CHILDREN = ("start:child#1", "nursery#1.3/start:child#1")

JOB_STEPS = {
    *("first", "word", "hurried", "last"),
    *(f"{branch}{number}" for branch in ("left", "right") for number in range(3)),
}
JOB_WAITS = {"hurry", "grandchild", "go1", "go2", "news", "child"}
CHILD_STEPS = {"c0", "c1"}


@attrs.define
class Steps:
    """What the lines of the endpoints tell of steps.

    Attributes:
        runs: how often each step of each process began.
        values: the outcome of each step, and of each wait; the same whoever got it.
        attempts: how often the function of each process was run.
        endpoints: who ran them.
        turns: how often the next attempt was another endpoint's than the last.
        late: runs of steps by an endpoint that was stopped, or had just gone on: it did what
            was sent to it before, and did not know yet that another one had done it meanwhile.
    """

    runs: Counter[tuple[str, str]] = attrs.field(factory=Counter[tuple[str, str]])
    values: dict[tuple[str, str], str] = attrs.field(factory=dict[tuple[str, str], str])
    attempts: Counter[str] = attrs.field(factory=Counter[str])
    endpoints: set[str] = attrs.field(factory=set[str])
    turns: int = 0
    late: int = 0
    _endpoint: dict[str, str] = attrs.field(factory=dict[str, str])
    _acknowledged: dict[tuple[str, str], int] = attrs.field(factory=dict[tuple[str, str], int])
    _last: str = ""
    _stopped: dict[str, int] = attrs.field(factory=dict[str, int])

    @classmethod
    def read(cls, lines: Path) -> Steps:
        """Read them, and check that no acknowledged step ran again."""
        steps = cls()
        for number, line in enumerate(lines.read_text().splitlines()):
            steps._add(number, line.split(" "))
        return steps

    def values_of(self, process_id: str) -> dict[str, str]:
        """The outcomes of one process."""
        return {name: value for (who, name), value in self.values.items() if who == process_id}

    def names_of(self, process_id: str) -> set[str]:
        """The steps of one process."""
        return {name for who, name in self.runs if who == process_id}

    def children_of(self, process_id: str) -> set[str]:
        """The children of a process that have begun."""
        return {each for each in self.attempts if each.startswith(f"{process_id}/")}

    def _add(self, number: int, words: list[str]) -> None:
        match words:
            case ["attempt", attempt, pid, process_id]:
                self._endpoint[attempt] = pid
                self.attempts[process_id] += 1
                self.endpoints.add(pid)
                self.turns += pid != self._last
                self._last = pid
            case ["stopped", pid]:
                self._stopped[pid] = number
            case ["awake", pid]:
                del self._stopped[pid]
            case ["begin", attempt, process_id, name, _]:
                self.runs[process_id, name] += 1
                if (process_id, name) in self._acknowledged:
                    self._check_late(attempt, (process_id, name))
            case ["after", _, process_id, name, value]:
                step = (process_id, name)
                self._acknowledged.setdefault(step, number)
                assert self.values.setdefault(step, value) == value, f"{step} has two outcomes"
            case _:
                raise AssertionError(f"an unknown line: {words}")

    def _check_late(self, attempt: str, step: tuple[str, str]) -> None:
        """It ran after its outcome was known: only who slept meanwhile may not know that."""
        stopped_at = self._stopped.get(self._endpoint[attempt])
        is_news = stopped_at is not None and stopped_at < self._acknowledged[step]
        assert is_news, f"{step} ran again after it was acknowledged"
        self.late += 1


@attrs.frozen
class Log:
    """The log of a process that has ended."""

    process_id: str
    events: list[ProcessEvent]
    output: ProcessAwaitOutput

    @classmethod
    async def read(cls, registry: ProcessRegistry, process_id: str) -> Log:
        """Read it, and check that the process has ended once, in a log without gaps."""
        record = await registry.get_process(process_id)
        assert record is not None, process_id
        events = await registry.events_after(process_id, 0)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        ends = [event.event_type for event in events if event.semantics.terminal is not None]
        output = record.status.await_output
        assert output is not None, process_id
        assert ends == [f"process.{output.terminal_state}"], (process_id, ends, output)
        assert record.wait is None, process_id
        return cls(process_id, events, output)

    @property
    def value(self) -> JsonValue:
        """The result; the process has to have one."""
        assert isinstance(self.output, ProcessSuccess), (self.process_id, self.output)
        return self.output.value

    def payloads(self, event_type: str) -> list[JsonValue]:
        """What the events of a type carry, in their order."""
        return [event.payload for event in self.events if event.event_type == event_type]


def check_job(log: Log, steps: Steps, sent: Counter[str]) -> None:
    """It has the outcome of each step, and every signal was heard."""
    seen = steps.values_of(log.process_id)
    assert seen.keys() == JOB_STEPS | JOB_WAITS, log.process_id
    assert log.value == seen, log.process_id
    told = [log.payloads("signal.go"), log.payloads("signal.hurry")]
    assert Counter(str(each) for payloads in told for each in payloads) == sent, log.process_id
    assert [seen["go1"], seen["go2"]] == told[0], log.process_id
    assert [seen["hurry"]] in (told[1], [NOTHING]), log.process_id
    assert log.payloads("progress") == [seen["first"]], log.process_id
    assert seen["news"] == seen["child"] == seen["first"], log.process_id
    assert seen["grandchild"] == seen["word"], log.process_id


def check_child(log: Log, steps: Steps) -> None:
    """It was signalled once, by its parent, and has told it what it heard."""
    seen = steps.values_of(log.process_id)
    assert seen.keys() == {*CHILD_STEPS, "heard"}, log.process_id
    assert log.payloads("signal.word") == [log.value] == [seen["heard"]], log.process_id
    assert log.payloads("news") == [log.value], log.process_id


async def check_family(
    registry: ProcessRegistry, process_id: str, steps: Steps, sent: Counter[str]
) -> None:
    """A job that nobody has cancelled, and its children: all that was to be done was done."""
    check_job(await Log.read(registry, process_id), steps, sent)
    assert steps.names_of(process_id) == JOB_STEPS
    children = {f"{process_id}/{child}" for child in CHILDREN}
    assert children == steps.children_of(process_id)
    for child_id in children:
        check_child(await Log.read(registry, child_id), steps)
        assert steps.names_of(child_id) == CHILD_STEPS


async def check_cancelled_family(
    registry: ProcessRegistry, process_id: str, steps: Steps, sent: Counter[str]
) -> bool:
    """A job that was asked to end, and its children; whether that was before its own end."""
    log = await Log.read(registry, process_id)
    assert log.payloads(CANCEL_REQUESTED) == [{"reason": REASON}], process_id
    told = [*log.payloads("signal.go"), *log.payloads("signal.hurry")]
    assert Counter(map(str, told)) == sent, process_id
    assert len(log.payloads("progress")) <= 1, process_id
    children = [await Log.read(registry, each) for each in steps.children_of(process_id)]
    for child in children:
        assert len(child.payloads("signal.word")) <= 1, child.process_id
        assert len(child.payloads("news")) <= 1, child.process_id
    if isinstance(log.output, ProcessSuccess):
        check_job(log, steps, sent)
        return False
    assert isinstance(log.output, ProcessCancellation), (process_id, log.output)
    assert log.output.message == REASON, process_id
    for child in children:
        if not isinstance(child.output, ProcessSuccess):
            assert isinstance(child.output, ProcessCancellation), (child.process_id, child.output)
            assert f"its parent '{process_id}' ended as cancelled" in child.output.message
    return True
