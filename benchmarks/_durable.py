"""Durable steps in a SQLite file, and what the driver alone costs."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import apsw.aio
import trio

from lash_trio import EffectScope, JsonValue, ScopedEffectController
from lash_trio.stores.sqlite import SqliteStores, open_sqlite

from ._measure import Groups, Plan

now_ns = time.perf_counter_ns

# As many bytes as the envelope and the outcome of the step have.
_ENVELOPE = "e" * 214
_OUTCOME = "o" * 44


async def committed_insert(plan: Plan) -> Groups:
    """One insert and its commit, with ``synchronous=FULL``, by apsw's async connection."""
    samples: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        connection = await apsw.Connection.as_async(str(Path(directory) / "bare.db"))
        # Otherwise apsw watches the deadline of every call.
        token = apsw.aio.deadline.set(math.inf)
        try:
            await connection.pragma("journal_mode", "wal")
            await connection.pragma("synchronous", "FULL")
            await connection.execute(
                "CREATE TABLE steps (number INTEGER PRIMARY KEY, name TEXT, envelope TEXT,"
                " outcome TEXT, recorded_at_ms INTEGER) STRICT"
            )

            # The connection has two faces: inside its thread the call is a plain one.
            plain: Any = connection

            def insert(number: int) -> None:
                plain.execute(
                    "INSERT INTO steps (name, envelope, outcome, recorded_at_ms)"
                    " VALUES (?, ?, ?, ?)",
                    (f"step#{number}", _ENVELOPE, _OUTCOME, number),
                )

            for number in range(plan.warm_up + plan.samples):
                started_ns = now_ns()
                await connection.async_run(insert, number)
                samples.append((now_ns() - started_ns) / 1e9)
        finally:
            apsw.aio.deadline.reset(token)
            await connection.aclose()
    return [samples[plan.warm_up :]]


async def durable_steps(plan: Plan) -> Groups:
    """Steps of one scope, one after the other."""
    samples: list[float] = []
    async with _opened() as stores, stores.host().scoped(_scope(0)) as scope:
        for number in range(plan.warm_up + plan.samples):
            started_ns = now_ns()
            await scope.step("step", _return, number)
            samples.append((now_ns() - started_ns) / 1e9)
    return [samples[plan.warm_up :]]


async def mean_step(plan: Plan) -> Groups:
    """The same, as the mean time a step: the inverse of a rate."""
    (samples,) = await durable_steps(plan)
    return [[sum(samples) / len(samples)]]


async def concurrent_steps(plan: Plan) -> Groups:
    """The time a step where ``size`` scopes do their steps at once."""
    begin, ready = trio.Event(), trio.Event()
    opened = 0

    async def work(stores: SqliteStores, number: int) -> None:
        nonlocal opened
        async with stores.host().scoped(_scope(number)) as scope:
            await _steps(scope, plan.warm_up)
            opened += 1
            if opened == plan.size:
                ready.set()
            await begin.wait()
            await _steps(scope, plan.samples)
            opened -= 1
            if opened == 0:
                ended_ns.append(now_ns())

    ended_ns: list[int] = []
    async with _opened() as stores, trio.open_nursery() as nursery:
        for number in range(plan.size):
            nursery.start_soon(work, stores, number)
        await ready.wait()
        started_ns = now_ns()
        begin.set()
    return [[(ended_ns[0] - started_ns) / 1e9 / (plan.size * plan.samples)]]


@asynccontextmanager
async def _opened() -> AsyncIterator[SqliteStores]:
    with tempfile.TemporaryDirectory() as directory:
        async with open_sqlite(Path(directory) / "steps.db") as stores:
            yield stores


async def _steps(scope: ScopedEffectController, count: int) -> None:
    for number in range(count):
        await scope.step("step", _return, number)


def _scope(number: int) -> EffectScope:
    return EffectScope.turn("session", f"turn-{number}")


async def _return(number: int) -> JsonValue:
    return number
