"""The simulator finds what is planted, and replays it to the same trace."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path

import attrs
import pytest

from lash_trio import (
    EffectError,
    EffectErrorCode,
    EffectScope,
    JournalEntry,
    MemoryEffectJournal,
    MemoryProcessRegistry,
    ProcessEventAppendRequest,
    ProcessEventAppendResult,
)
from lash_trio.abc import ProcessRegistry, ScopeJournal
from lash_trio.model import ProcessLease
from lash_trio.testing.simulate import MemoryStore, WorldOptions, main, simulate


class IgnoresReplayKeys(MemoryProcessRegistry):
    """Appends again what it has under a replay key."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        record = await self.get_process(process_id)
        assert record is not None
        events = await self.events_after(process_id, 0)
        key = None if request.replay is None else request.replay.key
        if any(event.replay is not None and event.replay.key == key for event in events):
            request = attrs.evolve(request, replay=None)
        return await super().append_event(process_id, request, fence)


class LosesAnAppend(MemoryProcessRegistry):
    """Acknowledges the second payment and forgets it."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        if request.replay is not None and request.replay.key == "payment-1":
            (event, *_) = await self.events_after(process_id, 0)
            return ProcessEventAppendResult(event=event)
        return await super().append_event(process_id, request, fence)


class IgnoresFences(MemoryProcessRegistry):
    """Appends for an owner whose lease is over."""

    async def append_event(
        self,
        process_id: str,
        request: ProcessEventAppendRequest,
        fence: ProcessLease | None = None,
    ) -> ProcessEventAppendResult:
        return await super().append_event(process_id, request)


class LeasesToEverybody(MemoryProcessRegistry):
    """Gives a lease to whoever asks, whether or not it is another's."""

    async def claim_process_lease(
        self, process_id: str, owner_id: str, lease_ttl_ms: int
    ) -> ProcessLease:
        log = self._log(process_id)
        held = log.lease.lease
        if held is not None:
            log.lease = attrs.evolve(log.lease, lease=attrs.evolve(held, owner_id=owner_id))
        return await super().claim_process_lease(process_id, owner_id, lease_ttl_ms)


class UnfencedJournal(MemoryEffectJournal):
    """Records for an opening that is over."""

    @asynccontextmanager
    async def open_scope(self, scope: EffectScope, owner_id: str) -> AsyncGenerator[ScopeJournal]:
        async with super().open_scope(scope, owner_id) as opened:
            yield _Unfenced(opened)


class _Unfenced(ScopeJournal):
    def __init__(self, inner: ScopeJournal) -> None:
        self._inner = inner

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        return self._inner.entries

    async def record(self, entry: JournalEntry) -> JournalEntry:
        try:
            return await self._inner.record(entry)
        except EffectError as error:
            if error.code != EffectErrorCode.SCOPE_LEASE_LOST:
                raise
            return entry


PLANTED: dict[str, type[ProcessRegistry]] = {
    "IgnoresReplayKeys": IgnoresReplayKeys,
    "LosesAnAppend": LosesAnAppend,
    "IgnoresFences": IgnoresFences,
    "LeasesToEverybody": LeasesToEverybody,
}


def first_red(registry: type[ProcessRegistry]) -> int:
    for seed in range(40):
        if simulate(seed, registry).violation is not None:
            return seed
    raise AssertionError(f"{registry.__name__} was not found out by 40 seeds")


@pytest.mark.parametrize("seed", range(12))
def test_the_library_keeps_its_promise(seed: int) -> None:
    result = simulate(seed)
    assert result.violation is None, "\n".join([*result.trace, str(result.violation)])
    assert any("the faults stop" in line for line in result.trace)
    assert any("was killed" in line for line in result.trace) or seed


def test_faults_happen() -> None:
    lines = [line for seed in range(6) for line in simulate(seed).trace]
    for what in ("is refused", "is lost", "stalls", "was killed", "record arrives late"):
        assert any(what in line for line in lines), f"no seed saw that something {what}"


def test_the_same_seed_gives_the_same_trace() -> None:
    assert simulate(3).trace == simulate(3).trace
    assert simulate(3).trace != simulate(4).trace


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_and_replayed(name: str) -> None:
    seed = first_red(PLANTED[name])
    first, again = (simulate(seed, PLANTED[name]) for _ in range(2))
    assert first == again
    assert first.violation is not None


def test_it_is_told_who_wrote_and_who_owned() -> None:
    violation = simulate(first_red(IgnoresFences), IgnoresFences).violation
    assert violation is not None
    assert re.search(
        r"worker-\S+ was let append_event under fencing token \d+ of order-\S+, "
        r"although worker-\S+ had claimed it under \d+",
        violation,
    )
    violation = simulate(first_red(LeasesToEverybody), LeasesToEverybody).violation
    assert violation is not None
    assert "while the lease of" in violation or "had claimed it under" in violation


def test_a_journal_that_ignores_fences_is_found() -> None:
    def open_store() -> AbstractContextManager[MemoryStore]:
        return nullcontext(MemoryStore(MemoryProcessRegistry(), UnfencedJournal()))

    violations = [simulate(seed, open_store=open_store).violation for seed in range(6)]
    assert any(
        re.search(r"was let record '\S+' of order-\S+ by opening \d+", violation)
        for violation in violations
        if violation is not None
    )


def run_command(arguments: list[str], hash_seed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lash_trio.testing.simulate", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parent)},
        timeout=120,
    )


def test_the_command_replays_a_seed_byte_for_byte() -> None:
    planted = ["--registry", "test_simulate:IgnoresReplayKeys"]
    red = run_command(["--seeds", "40", *planted], "1")
    assert red.returncode == 1, red.stderr
    command = red.stdout.splitlines()[-1]
    assert command.startswith("python -m lash_trio.testing.simulate --seed ")
    replays = [run_command(shlex.split(command)[3:], hash_seed) for hash_seed in ("1", "2")]
    assert replays[0].returncode == 1
    assert replays[0].stdout == replays[1].stdout
    assert red.stdout.splitlines()[0] in replays[0].stdout, "the same violation"
    assert len(replays[0].stdout.splitlines()) > 20, "with a trace"


def test_the_command_is_green_where_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "3"]) == 0
    assert capsys.readouterr().out == "3 seeds kept the promise\n"
    assert main(["--seed", "2", "--trace"]) == 0
    assert "worker-0 starts" in capsys.readouterr().out


def test_a_world_may_be_larger() -> None:
    result = simulate(1, options=WorldOptions(orders=6, workers=3))
    assert result.violation is None
    assert any(line.endswith("worker-2 starts") for line in result.trace)
