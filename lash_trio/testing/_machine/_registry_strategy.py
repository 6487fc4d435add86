"""Programs for registries, drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ...model import JsonValue
from ._meaning import OUTPUTS
from ._mostly import mostly
from ._program import (
    Action,
    Advance,
    CancelWait,
    Interrupted,
    RegistryProgram,
    Reopen,
    StartWait,
    Step,
    Together,
)
from ._step import CallStep
from ._steps_grants import (
    Claim,
    CompleteLeased,
    DeleteSession,
    GrantHandle,
    Release,
    Renew,
    RevokeHandle,
    TransferHandles,
)
from ._steps_log import (
    AckWake,
    Append,
    ClearWait,
    Complete,
    Register,
    SetExternalRef,
    SetWait,
)
from ._steps_reads import (
    CountEvents,
    GetRow,
    IsSeen,
    ListAll,
    ListSeen,
    ListSeers,
    ReadEvents,
    ReadRecent,
    ReadWakes,
)
from ._vocabulary import (
    BROKEN,
    DIGEST,
    NOTE,
    OVER,
    PROCESSES,
    REGISTRATIONS,
    SIGNAL,
    STRANGER,
    UNDECLARED,
    WAITS,
    WAKE,
)

_LONG = 18

_process = st.sampled_from((*(PROCESSES[0],) * 12, *(PROCESSES[1],) * 4, PROCESSES[2], STRANGER))
_some_process = st.sampled_from(PROCESSES)
_scope = st.sampled_from(("s1", "s1", "s1/f1", "s2"))
_number = st.integers(0, 6)
_ahead = st.sampled_from((1, 1, 1, 1, 2, 0, -1, 3))
_lease = st.sampled_from((-1, -1, 0, -2, 1, -1))
_key = st.sampled_from((None, None, "k1", "k2"))
_fence = st.one_of(st.none(), _lease)
_ttl_ms = st.sampled_from((1_000, 1_000, 1_000, 1_000, 1_000, 2_500, 100, 0))
_timeout_ms = st.sampled_from((None, None, None, 0, 100, 1_000))
_rounds = st.sampled_from((2, 1, 0, 3, 2, 1, 6))

_output_payloads: tuple[JsonValue, ...] = tuple(
    {"await_output": output} for _, output in OUTPUTS.values()
)
_payload_of: dict[str, tuple[JsonValue, ...]] = {
    NOTE: (None, 1, {"a": [1, "x"]}, {"b": "å", "a": None}),
    SIGNAL: ({"n": 1}, {"n": 2}, {"n": 3}, {"n": 1}, {"n": 2}, {"n": "many"}, None),
    WAKE: (
        {"text": "a", "urgent": False},
        {"text": "b", "urgent": 1},
        {"text": ["c"]},
        {"urgent": True},
        None,
    ),
    DIGEST: ({"topic": "x"}, {"topic": "y"}, {"topic": [1]}, {"other": 1}),
    OVER: (None, {"sum": 3}),
    BROKEN: ({"why": "bad"}, {"why": {"code": 1}}, {"other": 1}),
    UNDECLARED: (None,),
    "process.cancel_requested": ({"reason": "stop"}, {"reason": None}),
    "process.completed": (*_output_payloads, {"await_output": "odd"}, {}),
    "process.failed": (*_output_payloads, {"await_output": "odd"}),
    "process.cancelled": (*_output_payloads, {"await_output": ["odd"]}),
}
_waited_type = st.sampled_from((*(NOTE,) * 6, SIGNAL, SIGNAL, "process.waiting", UNDECLARED))

_EVERY_TYPE = tuple(_payload_of)
_WAITED_TYPES = (*(NOTE,) * 6, SIGNAL, SIGNAL, DIGEST)
_WAKING_TYPES = (WAKE, DIGEST)


@st.composite
def _append(draw: st.DrawFn, types: tuple[str, ...]) -> Append:
    """An append that is mostly in order: no fence, and no key but where one is needed."""
    event_type = draw(st.sampled_from(types))
    payload = draw(st.sampled_from(_payload_of[event_type]))
    needs_key = event_type not in (*_WAITED_TYPES, *_WAKING_TYPES, UNDECLARED)
    key = draw(st.sampled_from(("k1", "k2", "k3", None))) if needs_key else None
    wake = draw(st.one_of(st.none(), _scope)) if event_type in _WAKING_TYPES else None
    return Append(draw(_process), event_type, payload, key, None, wake)


@st.composite
def _any_append(draw: st.DrawFn) -> Append:
    event_type = draw(st.sampled_from(_EVERY_TYPE))
    payload = draw(st.sampled_from(_payload_of[event_type]))
    return Append(draw(_process), event_type, payload, draw(_key), draw(_fence))


_end_key = st.sampled_from(("end", "end", "k1"))
_odd_end = st.sampled_from(("process.completed", "process.failed", OVER)).flatmap(
    lambda end: st.builds(
        CompleteLeased, _lease, st.just(end), st.sampled_from(_payload_of[end]), _end_key
    )
)


def _complete_leased() -> SearchStrategy[Action]:
    """Mostly one that is in order, if the lease is."""
    return mostly((2, st.builds(CompleteLeased, _lease, key=_end_key)), (1, _odd_end))


_complete = st.builds(Complete, _some_process, st.sampled_from(tuple(OUTPUTS)))
_set_wait = st.builds(SetWait, _process, st.sampled_from(tuple(WAITS)), _fence)
_clear_wait = st.builds(ClearWait, _process, _fence)
_advance = st.builds(
    Advance, st.sampled_from((1_000, 1_000, 900, 1_000, 1_000, 900, 1, 999, 2_500))
)


def _about_logs() -> SearchStrategy[Action]:
    """What is written to logs and rows, and read from them."""
    return mostly(
        (3, _append(_WAITED_TYPES)),
        (5, _append(_WAKING_TYPES)),
        (1, _append(_EVERY_TYPE)),
        (1, _any_append()),
        (3, st.builds(AckWake, _process, _number)),
        (2, _set_wait),
        (1, _clear_wait),
        (1, _complete),
        (1, st.builds(SetExternalRef, _process, st.sampled_from(("job-1", "job-2")))),
        (3, _reads()),
    )


def _about_replay() -> SearchStrategy[Action]:
    """Appends under few keys."""
    types = st.sampled_from((NOTE, NOTE, "process.cancel_requested"))
    payload = st.sampled_from((None, 1))
    return mostly(
        (5, st.builds(Append, _process, types, payload, _key, st.none())),
        (1, st.builds(Append, _process, types, payload, _key, _fence)),
        (2, _append(_EVERY_TYPE)),
        (1, _complete),
        (1, _complete_leased()),
        (1, _claim()),
    )


def _about_waits() -> SearchStrategy[Action]:
    """Waits, and what they wait for."""
    return mostly(
        (6, _append(_WAITED_TYPES)),
        (7, _waits()),
        (2, st.builds(CancelWait, st.integers(0, 3))),
        (1, _advance),
        (2, _set_wait),
        (1, _complete),
    )


def _about_leases() -> SearchStrategy[Action]:
    """Leases, and what is written under them."""
    key = st.sampled_from((None, "k1"))
    return mostly(
        (5, _claim()),
        (1, st.builds(Claim, _process, st.sampled_from(("w1", "w2", "")), _ttl_ms)),
        (3, st.builds(Renew, _lease, _ttl_ms)),
        (3, st.builds(Release, _lease)),
        (3, st.builds(Append, _process, st.just(NOTE), st.just(None), key, _lease)),
        (1, st.builds(SetWait, _process, st.sampled_from(tuple(WAITS)), _lease)),
        (1, st.builds(ClearWait, _process, _lease)),
        (1, _complete_leased()),
        (4, _advance),
    )


def _about_grants() -> SearchStrategy[Action]:
    """Who sees what."""
    processes = st.lists(_some_process, min_size=1, max_size=3).map(tuple)
    return mostly(
        (6, st.builds(GrantHandle, _scope, _process, st.sampled_from(("a job", "the job")))),
        (2, _registers()),
        (1, st.builds(RevokeHandle, _scope, _process)),
        (6, st.builds(TransferHandles, _scope, _scope, processes)),
        (2, st.builds(DeleteSession, st.sampled_from(("s1", "s2")))),
        (1, st.builds(ListSeen, _scope, st.just(True))),
        (1, st.builds(ListSeers, _process)),
        (1, st.builds(IsSeen, _scope, _process)),
        (1, _complete),
    )


def _registers() -> SearchStrategy[Action]:
    good = st.sampled_from(("plain", "waking"))
    how = st.one_of(good, good, st.sampled_from(tuple(REGISTRATIONS)))
    return st.builds(Register, st.sampled_from(PROCESSES), how, st.one_of(st.none(), _scope))


def _claim() -> SearchStrategy[Action]:
    return st.builds(
        Claim, st.sampled_from(("p1", "p1", "p2", "p1")), st.sampled_from(("w1", "w2")), _ttl_ms
    )


def _reads() -> SearchStrategy[Action]:
    statuses = st.sampled_from(("any", "running", "completed", "failed", "cancelled"))
    return st.one_of(
        st.builds(ReadEvents, _process, st.integers(-1, 6), st.one_of(st.none(), _number)),
        st.builds(ReadRecent, _process, _number),
        st.builds(CountEvents, _process, _waited_type, st.integers(-1, 6)),
        st.builds(CountEvents, _process, _waited_type, st.integers(-1, 6)),
        st.builds(ReadWakes, _process, _number),
        st.builds(ListAll, statuses, st.sampled_from((None, True, False))),
        st.builds(GetRow, _process),
    )


def _waits() -> SearchStrategy[Action]:
    kind = st.sampled_from(("nth", "nth", "after"))
    nothing = st.just("")
    return mostly(
        (4, st.builds(StartWait, kind, _process, _waited_type, _ahead, _timeout_ms)),
        (1, st.builds(StartWait, st.just("next"), _process, nothing, _ahead, _timeout_ms)),
        (3, st.builds(StartWait, st.just("end"), _some_process, nothing, st.just(0), _timeout_ms)),
    )


@st.composite
def _race(draw: st.DrawFn) -> Together:
    """A wait, and at the same time what it waits for."""
    process, timeout_ms = draw(_some_process), draw(_timeout_ms)
    event_type = draw(st.sampled_from((NOTE, SIGNAL)))
    append = Append(process, event_type, draw(st.sampled_from(_payload_of[event_type])))
    ended_by = Complete(process, draw(st.sampled_from(tuple(OUTPUTS))))
    kind = draw(st.sampled_from(("nth", "end", "nth", "after", "nth", "next")))
    racing: list[Action] = [
        StartWait(kind, process, event_type, 1 if kind == "nth" else 0, timeout_ms),
        ended_by if kind == "end" else append,
    ]
    racing += draw(st.lists(st.sampled_from((append, racing[0], CancelWait(0))), max_size=1))
    return Together(tuple(draw(st.permutations(racing))))


def _steps(
    theme: SearchStrategy[Action], reopen: bool, *races: SearchStrategy[Step]
) -> SearchStrategy[Step]:
    calls = theme.filter(lambda action: isinstance(action, CallStep))
    action = mostly((3, theme), (1, st.builds(Interrupted, calls, _rounds)))
    at_once: SearchStrategy[Step] = st.builds(
        Together, st.lists(action, min_size=2, max_size=3).map(tuple)
    )
    step: SearchStrategy[Step] = mostly((4, action), (2, at_once), *((1, race) for race in races))
    return mostly((10, step), (1, st.builds(Reopen))) if reopen else step


def registry_programs(parts: int, reopen: bool) -> SearchStrategy[RegistryProgram]:
    """Programs for registries; see :func:`lash_trio.testing.machines.registry_programs`.

    Every part of a program has a theme.  Programs that do a bit of everything hardly
    ever get into the states where faults are (Groce et al., "Swarm testing", 2012).
    """
    themes = (_about_leases(), _about_grants(), _about_logs(), _about_replay())
    any_part = st.one_of(
        _part(_steps(_about_waits(), reopen, _race())),
        *(_part(_steps(theme, reopen)) for theme in themes),
    )
    # A program shrinks to one without those that it does not need.
    begin = st.tuples(
        *(
            st.sampled_from(((), plain, waking, plain, waking, plain))
            for plain, waking in (
                ((Register(process),), (Register(process, "waking"),)) for process in PROCESSES
            )
        )
    )
    drawn = st.tuples(begin.map(_joined), *(any_part for _ in range(parts)))
    steps = drawn.map(_joined)
    return st.builds(RegistryProgram, steps, seed=st.integers(0, 2**16))


def _joined(parts: Iterable[Sequence[Step]]) -> tuple[Step, ...]:
    return tuple(step for part in parts for step in part)


def _part(step: SearchStrategy[Step]) -> SearchStrategy[list[Step]]:
    # A list that may be short is what to shrink to; but it seldom gets long.
    return mostly(
        (1, st.lists(step, max_size=_LONG)),
        (3, st.lists(step, min_size=_LONG // 3, max_size=_LONG)),
    )
