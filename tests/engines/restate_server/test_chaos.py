"""Processes that go on whatever is killed or stopped, and end once, with the right results."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import attrs
import pytest
import trio

from lash_trio import (
    ProcessEventAppendRequest,
    ProcessProvenance,
    StartRequest,
    StoreError,
)
from lash_trio.engines.restate import RestateProcessRegistry
from lash_trio.model import Replay
from tests.engines.restate_server.chaos import (
    KINDS,
    QUICK_TO_GIVE_UP,
    Endpoints,
    Mischief,
)
from tests.engines.restate_server.chaos_app import definitions
from tests.engines.restate_server.chaos_checks import (
    REASON,
    Steps,
    check_cancelled_family,
    check_family,
)
from tests.engines.restate_server.server import RestateServer
from tests.property.support import is_thorough

AnswerT = TypeVar("AnswerT")

JOBS_AT_ONCE = 20
"""More would only wait for each other; fewer leave nothing to be hit."""


@attrs.frozen
class Customers:
    """They start jobs, send them signals, and wait for their ends.

    Args:
        registry: the way to the jobs.
        chance: decides when, and which jobs are cancelled.
        cancel_share: how many of them, from 0 to 1.
    """

    registry: RestateProcessRegistry
    chance: random.Random
    cancel_share: float = 0
    sent: dict[str, Counter[str]] = attrs.field(factory=dict[str, Counter[str]], init=False)
    cancelled: set[str] = attrs.field(factory=set[str], init=False)
    ended: set[str] = attrs.field(factory=set[str], init=False)
    troubles: list[str] = attrs.field(factory=list[str], init=False)

    async def see_through(self, process_ids: list[str]) -> None:
        """Have all these jobs done, a few at a time."""
        turns = trio.CapacityLimiter(JOBS_AT_ONCE)

        async def see_one_through(process_id: str) -> None:
            async with turns:
                await self._see_through(process_id)

        async with trio.open_nursery() as nursery:
            for process_id in process_ids:
                nursery.start_soon(see_one_through, process_id)

    async def _see_through(self, process_id: str) -> None:
        start = StartRequest(id=process_id, provenance=ProcessProvenance.host("tests"))
        registration = definitions.registration("job", {}, start)
        await self._insist(lambda: self.registry.register_process(registration))
        self.sent[process_id] = Counter()
        names = ["go", "go", "hurry"]
        if self.chance.random() < self.cancel_share:
            self.cancelled.add(process_id)
            names.append("cancel")
        self.chance.shuffle(names)
        for number, name in enumerate(names):
            await trio.sleep(self.chance.uniform(0, 1))
            if name == "cancel":
                await self._cancel(process_id)
            else:
                await self._signal(process_id, name, f"{name}-{number}")
        await self._insist(lambda: self.registry.await_process(process_id))
        self.ended.add(process_id)

    async def _cancel(self, process_id: str) -> None:
        request = ProcessEventAppendRequest.cancel_requested(process_id, REASON)
        await self._insist(lambda: self.registry.append_event(process_id, request))

    async def _signal(self, process_id: str, name: str, payload: str) -> None:
        request = ProcessEventAppendRequest(
            event_type=f"signal.{name}", payload=payload, replay=Replay(key=payload)
        )
        # Said twice, it is still one signal.
        for _ in range(self.chance.choice([1, 2])):
            await self._insist(lambda: self.registry.append_event(process_id, request))
        self.sent[process_id][payload] += 1

    async def _insist(self, ask: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """Ask until there is an answer; all that is asked here may be asked again."""
        while True:
            try:
                return await ask()
            except StoreError as error:
                self.troubles.append(error.message)


async def check_all(customers: Customers, lines: Path) -> tuple[Steps, int]:
    """Check each process and its children; how many jobs were cancelled is told, too."""
    registry = customers.registry
    with trio.move_on_after(60):
        # The children of one that was cancelled end after it.
        while await registry.list_non_terminal():  # noqa: ASYNC110
            await trio.sleep(0.1)
    left = await registry.list_non_terminal()
    assert not left, [
        (record, await registry.events_after(record.id, 0), customers.cancelled) for record in left
    ]
    steps = Steps.read(lines)
    cancelled = 0
    for process_id in customers.ended:
        sent = customers.sent[process_id]
        if process_id in customers.cancelled:
            cancelled += await check_cancelled_family(registry, process_id, steps, sent)
        else:
            await check_family(registry, process_id, steps, sent)
    return steps, cancelled


async def live_through(
    server: RestateServer, directory: Path, jobs: int, cancel_share: float
) -> None:
    """Have jobs done while everything is killed again and again, check them, and tell of it."""
    chance = random.Random(jobs)
    process_ids = [f"job-{number}" for number in range(jobs)]
    server.more_environment |= QUICK_TO_GIVE_UP
    await trio.to_thread.run_sync(server.start)
    began = trio.current_time()
    with Endpoints(directory, server.ingress_port) as endpoints:
        await endpoints.start_all(server)
        mischief = Mischief(server, endpoints, chance)
        async with RestateProcessRegistry(f"http://127.0.0.1:{server.ingress_port}") as registry:
            customers = Customers(registry, chance, cancel_share)
            with trio.move_on_after(60 + 8 * jobs):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(mischief.go_on_and_on)
                    await customers.see_through(process_ids)
                    nursery.cancel_scope.cancel("all jobs have ended")
            assert customers.ended == set(process_ids), await unfinished(server)
            seconds = trio.current_time() - began
            steps, cancelled = await check_all(customers, endpoints.lines)
    print(
        f"\n{len(steps.attempts)} processes ended once after {seconds:.0f} s and "
        f"{steps.attempts.total()} attempts by {len(steps.endpoints)} endpoints: "
        f"{len(steps.runs)} steps, {steps.runs.total()} runs of them, {steps.late} of these by an "
        f"endpoint that was stopped; {sum(sent.total() for sent in customers.sent.values())} "
        f"signals; {cancelled} jobs cancelled of {len(customers.cancelled)}; "
        + ", ".join(f"{count} times {what}" for what, count in sorted(mischief.done.items()))
        + f"; calls that took too long: {Counter(customers.troubles)}"
    )
    # Otherwise nothing was hit in the middle of its work, and this has shown nothing.
    assert steps.runs.total() > len(steps.runs)
    assert set(mischief.done) == set(KINDS)
    assert steps.turns > 2 * len(steps.endpoints), "two at a time have worked"
    assert bool(cancelled) == bool(cancel_share)


async def test_hundreds_of_processes_and_everything_is_killed_again_and_again(
    own_server: RestateServer, tmp_path: Path
) -> None:
    await live_through(own_server, tmp_path, 150 if is_thorough() else 34, 0)


async def test_processes_that_are_cancelled_while_everything_is_killed(
    own_server: RestateServer, tmp_path: Path
) -> None:
    await live_through(own_server, tmp_path, 100 if is_thorough() else 24, 0.7)


async def test_no_endpoint_for_longer_than_the_server_would_try_by_itself(
    own_server: RestateServer, tmp_path: Path
) -> None:
    process_ids = ["job-0", "job-1", "job-2"]
    own_server.more_environment |= {"RESTATE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS": "3"}
    await trio.to_thread.run_sync(own_server.start)
    with Endpoints(tmp_path, own_server.ingress_port) as endpoints:
        await endpoints.start_all(own_server)
        async with RestateProcessRegistry(
            f"http://127.0.0.1:{own_server.ingress_port}"
        ) as registry:
            customers = Customers(registry, random.Random(1))
            with trio.move_on_after(60):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(customers.see_through, process_ids)
                    await endpoints.until_at_work()
                    for pid in tuple(endpoints.alive):
                        endpoints.kill(pid)
                    await until_tried(own_server, 6)
                    await endpoints.start()
            assert customers.ended == set(process_ids), await unfinished(own_server)
            await check_all(customers, endpoints.lines)


async def until_tried(server: RestateServer, times: int) -> None:
    """Wait until the server has tried so often to reach an endpoint."""
    text = f"select id from sys_invocation where retry_count >= {times} or status = 'paused'"
    with trio.fail_after(20):
        while not await server.query(text):  # noqa: ASYNC110
            await trio.sleep(0.05)


async def unfinished(server: RestateServer) -> str:
    """What the server has not done yet, for whoever looks for the reason."""
    rows = await server.query(
        "select target, status, retry_count, last_failure from sys_invocation "
        "where status <> 'completed' order by target"
    )
    return "\n".join(map(str, rows))


def lines_of(directory: Path, *lines: str) -> Path:
    """What endpoints may have written."""
    path = directory / "lines.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


FIRST, SECOND = "attempt a 1 p", "attempt b 2 p"


def test_a_step_may_run_again_until_it_is_acknowledged(tmp_path: Path) -> None:
    lines = lines_of(
        tmp_path, FIRST, "begin a p s 1", SECOND, "begin b p s 2", "after b p s 2", "after a p s 2"
    )
    steps = Steps.read(lines)
    assert (steps.runs.total(), steps.values, steps.late) == (2, {("p", "s"): "2"}, 0)


DONE = (FIRST, "begin a p s 1", "after a p s 1")
AGAIN = (SECOND, "begin b p s 2")


@pytest.mark.parametrize(
    "lines",
    [
        [*DONE, *AGAIN],
        [*DONE, "begin a p s 2"],
        # It began when nobody knew.
        [SECOND, *DONE, "begin b p s 2"],
        # Somebody else was stopped.
        ["stopped 1", *DONE, *AGAIN],
        # It was known before it was stopped.
        [*DONE, "stopped 2", *AGAIN],
        # It had time to notice.
        ["stopped 2", *DONE, "awake 2", *AGAIN],
    ],
)
def test_the_rig_sees_that_an_acknowledged_step_runs_again(
    tmp_path: Path, lines: list[str]
) -> None:
    with pytest.raises(AssertionError, match="again"):
        Steps.read(lines_of(tmp_path, *lines))


def test_the_rig_sees_a_second_outcome(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, FIRST, "begin a p s 1", "after a p s 1", SECOND, "after b p s 2")
    with pytest.raises(AssertionError, match="two outcomes"):
        Steps.read(lines)


@pytest.mark.parametrize(
    "lines",
    [
        [SECOND, "stopped 2", *DONE, "begin b p s 2", "awake 2"],
        # What called it was on its way.
        ["stopped 2", *DONE, *AGAIN, "awake 2"],
    ],
)
def test_who_was_stopped_may_be_late(tmp_path: Path, lines: list[str]) -> None:
    assert Steps.read(lines_of(tmp_path, *lines)).late == 1
