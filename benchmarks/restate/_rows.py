"""What is measured, and what it may cost beside the stock SDK."""

from __future__ import annotations

from functools import partial

import attrs

from .._measure import Plan
from .._rows import Row
from ._sides import Peer, appended_signals, awakeables, signals, steps

# Short rounds in quick change: a disturbance of the machine then hits both sides.
_STEPS = Plan(rounds=100, samples=20, warm_up=5)
_SIGNALS = Plan(rounds=75, samples=3, warm_up=1)
# Of rows that promise nothing.
_FEW = 20
_QUICK = Plan(rounds=1, samples=2, warm_up=1)

NAMES = (
    "step",
    "signal_to_wake",
    "signal_against_awakeable",
    "late_signal",
    "logged_step",
    "logged_signal",
    "appended_signal",
)


def rows(stock: Peer, ours: Peer, logged: Peer) -> tuple[Row, ...]:
    """All rows, in the order of the table.

    Args:
        stock: the SDK's.
        ours: without a registry, so that both sides record as much.
        logged: with a registry; what it does besides has no counterpart, and so no limit.
    """
    return (
        Row(
            name="step",
            what="a step",
            against="ctx.run_typed",
            limit=1.1,
            baseline=partial(steps, stock),
            ours=partial(steps, ours),
            plan=_STEPS,
            quick=_QUICK,
        ),
        Row(
            name="signal_to_wake",
            what="signal to wake",
            against="a handler that resolves a promise",
            limit=1.1,
            baseline=partial(signals, stock),
            ours=partial(signals, ours),
            plan=_SIGNALS,
            quick=_QUICK,
        ),
        Row(
            name="signal_against_awakeable",
            what="signal to wake",
            against="an awakeable resolved at the server",
            limit=None,
            baseline=partial(awakeables, stock),
            ours=partial(signals, ours),
            plan=attrs.evolve(_SIGNALS, rounds=_FEW),
            quick=_QUICK,
        ),
        Row(
            name="late_signal",
            what="the same, {size} signals before",
            against="a handler that resolves a promise",
            limit=None,
            baseline=partial(signals, stock),
            ours=partial(signals, ours),
            plan=Plan(rounds=11, samples=2, size=10),
            quick=attrs.evolve(_QUICK, size=2),
        ),
        Row(
            name="logged_step",
            what="a step, with a registry",
            against="ctx.run_typed",
            limit=None,
            baseline=partial(steps, stock),
            ours=partial(steps, logged),
            plan=attrs.evolve(_STEPS, rounds=_FEW),
            quick=_QUICK,
        ),
        Row(
            name="logged_signal",
            what="signal to wake, with a registry",
            against="a handler that resolves a promise",
            limit=None,
            baseline=partial(signals, stock),
            ours=partial(signals, logged),
            plan=attrs.evolve(_SIGNALS, rounds=_FEW),
            quick=_QUICK,
        ),
        Row(
            name="appended_signal",
            what="append of a signal to wake",
            against="a handler that resolves a promise",
            limit=None,
            baseline=partial(signals, stock),
            ours=partial(appended_signals, logged),
            plan=attrs.evolve(_SIGNALS, rounds=_FEW),
            quick=_QUICK,
        ),
    )
