"""The sides: what an endpoint is asked to do, and the samples that come of it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs

from .._measure import Groups, Plan
from ._http import Client

_ROUNDS_AT_ONCE = 15
# Both sides would end an attempt that has waited for a minute: a batch is used up before.
_LOOK_SECONDS = 0.2
_SAME_LOOKS = 4
# After this what a signal has left behind is done.
_PAUSE_SECONDS = 0.01

_keys = itertools.count()


@attrs.frozen
class Parked:
    """A process that waits, and what wakes it and returns when that was asked for."""

    key: str
    wake: Callable[[], float]


@attrs.frozen(kw_only=True)
class Peer:
    """An endpoint.

    Args:
        service: the workflow that it serves.
        ingress: where the workflow is called.
        call: has the server call this endpoint from now on.
        written: what changes whenever the server writes down what a process does.
        parked: processes that wait already, by what they wait for.
    """

    service: str
    ingress: Client
    call: Callable[[], None]
    written: Callable[[], object]
    parked: dict[str, list[Parked]] = attrs.field(factory=dict[str, list[Parked]])

    def start(self, definition: str, count: int) -> str:
        """Start a process; returns its key."""
        key = f"{definition}-{next(_keys)}"
        asked = {"definition": definition, "args": {"count": count}}
        self.ingress.ask("POST", f"/{self.service}/{key}/run/send", asked)
        return key

    def signal(self, key: str, ordinal: int) -> float:
        """Send a signal; returns when."""
        # We need no ordinal; the SDK's workflow has no other way to know it.
        asked = {"name": "go", "ordinal": ordinal}
        self.ingress.ask("POST", f"/{self.service}/{key}/signal", asked)
        return self.ingress.sent_at

    def append_signal(self, key: str) -> float:
        """Append a signal to the log, as a program with a registry does; returns when."""
        asked = {"request": {"event_type": "signal.go", "payload": None}}
        self.ingress.ask("POST", f"/LashProcessLog/{key}/append_event", asked)
        return self.ingress.sent_at

    def resolve(self, name: str) -> float:
        """Complete an awakeable; returns when it was asked for."""
        self.ingress.ask("POST", f"/restate/awakeables/{name}/resolve", 1)
        return self.ingress.sent_at

    def times(self, key: str) -> list[float]:
        """What a process has noted, once it has ended."""
        path = f"/restate/workflow/{self.service}/{key}/attach"
        return times_of(key, self.ingress.ask("GET", path))


def times_of(key: str, answer: Any) -> list[float]:
    """The times in a result, which ours has in an envelope.

    Raises:
        SystemExit: it came of more than one attempt: the later ones only replay.
    """
    told = answer.get("value", answer)
    if told["attempt"] != 1:
        raise SystemExit(f"{key} was interrupted: what it noted is not what was to be measured")
    return [float(each) for each in told["times"]]


def steps(peer: Peer, plan: Plan) -> Groups:
    """From a step to the next one of the same process."""
    peer.call()
    times = peer.times(peer.start("steps", plan.warm_up + plan.samples))
    return [between(times)[plan.warm_up :]]


def signals(peer: Peer, plan: Plan) -> Groups:
    """From the call that signals to the line after the wait, a new process each time.

    The size of the plan is how many signals come before the one that counts.
    """
    peer.call()

    def prepare() -> list[Parked]:
        keys = [peer.start("listener", plan.size + 1) for _ in range(in_a_batch(plan))]
        settle(peer)
        for key in keys:
            for ordinal in range(plan.size):
                peer.signal(key, ordinal + 1)
        if plan.size:
            settle(peer)
        return [Parked(key, partial(peer.signal, key, plan.size + 1)) for key in keys]

    return [woken(peer, plan, f"listener {plan.size}", prepare)]


def appended_signals(peer: Peer, plan: Plan) -> Groups:
    """From the append of a signal to the line after the wait, a new process each time."""
    peer.call()

    def prepare() -> list[Parked]:
        keys = [peer.start("listener", 1) for _ in range(in_a_batch(plan))]
        settle(peer)
        return [Parked(key, partial(peer.append_signal, key)) for key in keys]

    return [woken(peer, plan, "appended", prepare)]


def awakeables(peer: Peer, plan: Plan) -> Groups:
    """The same for an awakeable, which the server completes without the endpoint."""
    peer.call()

    def prepare() -> list[Parked]:
        keys = [peer.start("awakeable", 1) for _ in range(in_a_batch(plan))]
        settle(peer)
        names = [peer.ingress.ask("POST", f"/{peer.service}/{key}/awakeable") for key in keys]
        return [
            Parked(key, partial(peer.resolve, str(name)))
            for key, name in zip(keys, names, strict=True)
        ]

    return [woken(peer, plan, "awakeable", prepare)]


def woken(peer: Peer, plan: Plan, kind: str, prepare: Callable[[], list[Parked]]) -> list[float]:
    """Wake processes one after the other; how long each took.

    They are started for some rounds together, so that the rounds of both sides follow
    each other quickly.
    """
    parked = peer.parked.setdefault(kind, [])
    if not parked:
        parked += prepare()
    sent: list[tuple[str, float]] = []
    for _ in range(plan.warm_up + plan.samples):
        time.sleep(_PAUSE_SECONDS)
        one = parked.pop()
        sent.append((one.key, one.wake()))
    return [latency(peer.times(key), at) for key, at in sent][plan.warm_up :]


def in_a_batch(plan: Plan) -> int:
    """How many processes are started together."""
    return _ROUNDS_AT_ONCE * (plan.warm_up + plan.samples)


def settle(peer: Peer) -> None:
    """Wait until all processes have come to rest: the server writes nothing down for a while."""
    looks: list[object] = []
    while len(looks) < _SAME_LOOKS or len(set(looks[-_SAME_LOOKS:])) > 1:
        time.sleep(_LOOK_SECONDS)
        looks.append(peer.written())


def latency(times: Sequence[float], sent: float) -> float:
    """From the call to the last of the times that a process has noted.

    Raises:
        SystemExit: the process did not wait yet.
    """
    *before, last = times
    if max(before) >= sent:
        raise SystemExit("a process was signalled before it waited; the machine is too busy")
    return last - sent


def between(times: Sequence[float]) -> list[float]:
    """How long it took from each to the next one."""
    return [later - earlier for earlier, later in itertools.pairwise(times)]
