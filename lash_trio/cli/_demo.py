"""What ``lash-trio demo`` tells: a worker is killed, and nothing is lost.

Read it from the top: the story, then what it is told with.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from .. import (
    EffectScope,
    JsonObject,
    JsonValue,
    ProcessAwaitOutput,
    ProcessEventAppendRequest,
    ProcessEventStream,
    ProcessProvenance,
    ProcessSuccess,
    StartRequest,
    from_json,
    open_runtime,
    signal_event_type,
)
from ._describe import Tone, describe, tone_of
from ._file import opened
from ._manifest import AT_ONCE, definitions, find_files
from ._progress import Line, Progress
from ._shapes import command_of

if TYPE_CHECKING:
    from ..stores.sqlite import SqliteStores

_PAUSE_SECONDS = 0.15
_LEASE_SECONDS = 1.0
_POLL_SECONDS = 0.03
_FEWEST_FILES = 6
_APPROVAL: JsonValue = {"by": "you"}


class DemoError(Exception):
    """The demo cannot be told; the text says why."""


@attrs.frozen(kw_only=True)
class DemoRequest:
    """What the demo works on.

    Args:
        directory: whose files are hashed.
        db: where the process is kept.
        room: a directory for what is needed meanwhile.
    """

    directory: Path
    db: Path
    room: Path


@attrs.frozen(kw_only=True)
class Tally:
    """What was counted.

    Args:
        recorded_before: hash steps whose outcome was recorded when the worker was killed.
        begun_before: hash steps that had begun by then.
        begun_after: hash steps that the second worker began.
        same_result: whether a run that nobody killed has the same value.
    """

    recorded_before: frozenset[str]
    begun_before: Counter[str]
    begun_after: Counter[str]
    same_result: bool

    @property
    def recorded_ran_again(self) -> int:
        """How many recorded steps ran again, which is what must never be."""
        return sum(self.begun_after[name] for name in self.recorded_before)

    @property
    def cut_off(self) -> int:
        """How many steps were under way when the worker was killed, and ran again."""
        return sum((self.begun_before & self.begun_after).values()) - self.recorded_ran_again

    @property
    def kept_its_word(self) -> bool:
        """Whether all is as it should be."""
        return self.same_result and not self.recorded_ran_again


async def tell_demo(request: DemoRequest, progress: Progress) -> Tally:
    """Tell the story.

    Args:
        request: what it works on.
        progress: what it is told with.

    Returns:
        What was counted.

    Raises:
        DemoError: there are too few files, or a worker cannot be started.
        StoreError: the file with the processes cannot be used.
    """
    files = len(find_files(request.directory))
    if files < _FEWEST_FILES:
        raise DemoError(
            f"{request.directory} has {files} files that can be hashed; the demo needs a "
            f"directory with {_FEWEST_FILES} or more"
        )
    async with opened(request.db) as stores, trio.open_nursery() as nursery:
        nursery.start_soon(progress.keep_fresh)
        story = _Story(request, progress, stores, nursery)
        tally = await story.tell(files)
        nursery.cancel_scope.cancel("the demo has ended")
    return tally


class _Story:
    def __init__(
        self,
        request: DemoRequest,
        progress: Progress,
        stores: SqliteStores,
        nursery: trio.Nursery,
    ) -> None:
        self._request = request
        self._progress = progress
        self._stores = stores
        self._nursery = nursery
        self._notes = request.room / "steps.txt"
        self.process_id = f"manifest-{uuid.uuid4().hex[:6]}"

    async def tell(self, files: int) -> Tally:
        """All of it."""
        self._progress.heading("1. A worker, which is a program of its own, hashes files")
        await self._start(files)
        first = await self._start_worker("worker-1")
        recorded = await self._until_recorded(max(files // 3, 2), first)
        await self._approve()

        self._progress.heading("2. kill -9, in the middle of it")
        first.kill()
        await first.wait()
        # What was on its way to the disk when it was killed may have arrived.
        recorded = await self._recorded()
        begun = self._begun()
        self._say("worker-1", "is killed with SIGKILL", "it cleans nothing up", Tone.BAD)
        self._say(
            "demo", f"{len(recorded)} steps are recorded", "each on the disk before it counts"
        )
        self._say(
            "demo",
            f"{begun.total() - len(recorded)} more were under way",
            "nobody knows how far they got, so they will run again",
        )

        self._progress.heading("3. Another worker goes on")
        second = await self._start_worker("worker-2")
        self._say(
            "worker-2",
            "waits for the lease of the dead one",
            f"a lease lasts {_LEASE_SECONDS:g} s here, so that no two workers run one process",
        )
        output = await self._follow(second)
        await self._drain(second)
        return await self._count(recorded, begun, output)

    async def _start(self, files: int) -> None:
        request = StartRequest(id=self.process_id, provenance=ProcessProvenance.host("demo"))
        await self._stores.registry.register_process(
            definitions.registration(
                "manifest", self._args(_PAUSE_SECONDS, str(self._notes)), request
            )
        )
        self._nursery.start_soon(self._count_steps)
        self._say(self.process_id, "is registered: a row and a log", f"in {self._request.db}")
        self._say("demo", f"{files} files of {self._request.directory}", "a durable step each")

    async def _start_worker(self, name: str) -> trio.Process:
        command = [sys.executable, "-m", "lash_trio", "worker", "lash_trio.cli._manifest"]
        command += ["--db", str(self._request.db), "--lease", str(_LEASE_SECONDS), "--owner", name]
        with (self._request.room / f"{name}.txt").open("wb") as log:
            process: trio.Process = await self._nursery.start(
                partial(
                    trio.run_process,
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
            )
        self._say(name, f"starts as operating-system process {process.pid}", "")
        return process

    async def _until_recorded(self, enough: int, worker: trio.Process) -> frozenset[str]:
        while len(recorded := await self._recorded()) < enough:
            self._check_alive("worker-1", worker)
            await trio.sleep(_POLL_SECONDS)
        return recorded

    async def _approve(self) -> None:
        request = ProcessEventAppendRequest(
            event_type=signal_event_type("approve"), payload=_APPROVAL
        )
        await self._stores.registry.append_event(self.process_id, request)
        self._say(self.process_id, "gets the signal approve", "nobody waits for it yet: it is kept")

    async def _follow(self, worker: trio.Process) -> ProcessAwaitOutput:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, worker)
            registry = self._stores.registry
            async for event in ProcessEventStream(registry, self.process_id, 1):
                self._progress.board.event(event)
                self._say(event.process_id, describe(event), "", tone_of(event))
            output = await registry.await_process(self.process_id)
            nursery.cancel_scope.cancel("the process has ended")
        return output

    async def _drain(self, worker: trio.Process) -> None:
        worker.terminate()
        status = await worker.wait()
        self._say("worker-2", f"drains at SIGTERM, and ends with status {status}", "")

    async def _count(
        self, recorded: frozenset[str], begun: Counter[str], output: ProcessAwaitOutput
    ) -> Tally:
        after = self._begun() - begun
        expected = await self._run_in_memory()
        same = isinstance(output, ProcessSuccess) and output.value == expected
        tally = Tally(
            recorded_before=recorded, begun_before=begun, begun_after=after, same_result=same
        )
        self._progress.heading("What was counted")
        self._say("recorded before the kill", f"{len(recorded)} steps", "")
        again = tally.recorded_ran_again
        tone = Tone.BAD if again else Tone.GOOD
        self._say("recorded ones that ran again", str(again), "the promise is 0", tone)
        self._say(
            "cut off by the kill, ran again",
            f"{tally.cut_off} steps",
            f"at most {AT_ONCE}, as many as run at once",
        )
        self._say("run for the first time after it", f"{after.total() - tally.cut_off} steps", "")
        tone = Tone.GOOD if same else Tone.BAD
        said = "the same" if same else "not the same: this is a bug"
        self._say("result", said, "compared with a run in memory that nobody killed", tone)
        return tally

    async def _run_in_memory(self) -> JsonValue:
        async with open_runtime(definitions) as runtime:
            handle = await runtime.start("manifest", self._args(0, os.devnull))
            await handle.signal("approve", _APPROVAL)
            return await handle.result()

    async def _recorded(self) -> frozenset[str]:
        """The files whose digest is recorded."""
        scope = EffectScope.process(self.process_id)
        entries = await self._stores.journal.entries_of(scope)
        return frozenset(
            _file_of(command_of(entry)) for entry in entries if entry.replay_key.endswith("hash#1")
        )

    def _begun(self) -> Counter[str]:
        """How often the step of each file has begun, in any worker."""
        if not self._notes.exists():
            return Counter()
        return Counter(self._notes.read_text(encoding="utf-8").splitlines())

    async def _count_steps(self) -> None:
        """Show on the board how many steps are recorded, until cancelled."""
        row = self._progress.board.row(self.process_id)
        while True:
            for _ in range(len(await self._recorded()) - row.steps_done):
                row.step_began("hash")
                row.step_ended("hash", failed=False)
            await trio.sleep(_POLL_SECONDS)

    async def _watch(self, worker: trio.Process) -> None:
        while True:
            self._check_alive("worker-2", worker)
            await trio.sleep(_POLL_SECONDS)

    def _check_alive(self, name: str, worker: trio.Process) -> None:
        if worker.poll() is not None:
            log = (self._request.room / f"{name}.txt").read_text(errors="replace")
            raise DemoError(f"{name} ended with status {worker.returncode}; it said: {log}")

    def _args(self, pause_seconds: float, notes: str) -> dict[str, JsonValue]:
        return {
            "directory": str(self._request.directory),
            "notes": notes,
            "pause_seconds": pause_seconds,
        }

    def _say(self, who: str, what: str, why: str, tone: Tone = Tone.NORMAL) -> None:
        self._progress.line(Line(who=who, what=what, why=why, tone=tone))


def _file_of(command: JsonObject) -> str:
    args = from_json(list[JsonValue], command["input"])
    return str(args[1])
