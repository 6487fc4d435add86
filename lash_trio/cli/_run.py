"""Running one process to its end, in memory or in a file."""

from __future__ import annotations

import uuid

import attrs
import trio

from .. import (
    CANCEL_REQUESTED,
    MAX_SEQUENCE,
    InlineEffectHost,
    JsonObject,
    JsonValue,
    MemoryProcessRegistry,
    PluginError,
    ProcessAwaitOutput,
    ProcessDefinitions,
    ProcessEventAppendRequest,
    ProcessHandle,
    ProcessProvenance,
    ProcessRecord,
    Replay,
    Runtime,
    RuntimeParts,
    StartRequest,
    WorkerOptions,
    request_process_cancel,
    signal_event_type,
)
from ..abc import EffectHost, ProcessRegistry
from ._describe import Tone, describe, describe_wait, tone_of
from ._progress import Line, Progress
from ._watch import WatchedHost, WatchedStep, Watcher

_IN_MEMORY_PROFILE = "lash-trio run"
# That of `lash-trio start`, so that either can go on with what the other has begun.
_IN_FILE_PROFILE = "lash-trio"
_SETTLE_MARGIN_SECONDS = 1.0


class BadRequestError(Exception):
    """The process cannot be started as asked; nothing has run."""


@attrs.frozen(kw_only=True)
class RunRequest:
    """What to run.

    Args:
        definitions: have the process, and the ones that it starts.
        process: its name there.
        args: its arguments, by name.
        process_id: the id that it gets; its name and a random part where None.
        signals: name and payload of each signal that is sent to it before it begins.
        worker: how the worker works.
        shows_steps: whether there is a line for every step.
    """

    definitions: ProcessDefinitions
    process: str
    args: JsonObject
    process_id: str | None = None
    signals: tuple[tuple[str, JsonValue], ...] = ()
    worker: WorkerOptions = attrs.field(factory=WorkerOptions)
    shows_steps: bool = False


@attrs.frozen(kw_only=True)
class Place:
    """Where a process runs.

    Args:
        registry: keeps it.
        host: opens the scopes.
        file: the name of the file where it stays; None where it goes with the program.
    """

    registry: ProcessRegistry = attrs.field(factory=MemoryProcessRegistry)
    host: EffectHost = attrs.field(factory=InlineEffectHost)
    file: str | None = None


def new_process_id(process: str) -> str:
    """An id for a process that was given none: its name and a random part."""
    return f"{process}-{uuid.uuid4().hex[:12]}"


class SingleRun(Watcher):
    """One process, run to its end.

    Args:
        request: what to run.
        progress: shows how it goes.
        place: where; in memory where None.
    """

    def __init__(self, request: RunRequest, progress: Progress, place: Place | None = None) -> None:
        self._request = request
        self._progress = progress
        given = request.process_id
        self.process_id = new_process_id(request.process) if given is None else given
        self._place = Place() if place is None else place
        self._registry = self._place.registry
        self._profile = _IN_MEMORY_PROFILE if self._place.file is None else _IN_FILE_PROFILE
        self._whole = trio.CancelScope()
        self._waiting = trio.CancelScope()
        self._output: ProcessAwaitOutput | None = None
        self._followed: set[str] = set()

    async def register(self) -> None:
        """Put the process and its signals into the registry; nothing runs yet.

        What is there already, by an earlier command of the same words, is not put again.

        Raises:
            BadRequestError: it cannot be started as asked.
        """
        # Before the worker is there: the signals are then in the log when the
        # process begins, and one that is refused is refused before anything ran.
        request = self._request
        start = StartRequest(id=self.process_id, provenance=ProcessProvenance.host(self._profile))
        try:
            await self._registry.register_process(
                request.definitions.registration(request.process, request.args, start)
            )
            for number, (name, payload) in enumerate(request.signals, 1):
                await self._registry.append_event(
                    self.process_id,
                    ProcessEventAppendRequest(
                        event_type=signal_event_type(name),
                        payload=payload,
                        replay=Replay(key=f"signal:{name}:run#{number}"),
                    ),
                )
        except PluginError as error:
            raise BadRequestError(error.message) from error

    async def run(self) -> ProcessAwaitOutput | None:
        """Run it, once it is registered.

        Returns:
            How it ended; None where it was stopped before.
        """
        with self._whole:
            async with trio.open_nursery() as self._followers:
                self._followers.start_soon(self._progress.keep_fresh)
                parts = RuntimeParts(
                    registry=self._registry,
                    host=WatchedHost(self, self._place.host),
                    worker=self._request.worker,
                    host_profile_id=self._profile,
                )
                async with Runtime(self._request.definitions, parts) as self._runtime:
                    with self._waiting:
                        await self._follow(self.process_id)
                        self._output = await self._registry.await_process(self.process_id)
                        await self._settle()
                await self._tell_of_the_rest()
                self._followers.cancel_scope.cancel("the process has ended")
        return self._output

    async def ask_to_end(self, reason: str) -> None:
        """Ask it to end as cancelled; what runs after its end is stopped.

        What is kept in a file is not cancelled by that: what runs gets its grace, and stays.
        """
        if self._output is not None:
            self.stop()
            return
        if self._place.file is not None:
            said = f"{reason}: letting steps that run finish (once more stops at once)"
            self._progress.line(Line(who="lash-trio", what=said, tone=Tone.BAD))
            self._waiting.cancel(reason)
            return
        said = f"{reason}: asking {self.process_id} to end (once more stops at once)"
        self._progress.line(Line(who="lash-trio", what=said, tone=Tone.BAD))
        await request_process_cancel(self._registry, self.process_id, reason)

    def stop(self) -> None:
        """Stop at once, without asking."""
        self._whole.cancel("stopped by a signal")

    def step_began(self, step: WatchedStep) -> None:
        """Take note of a step that runs."""
        self._progress.board.row(step.process_id).step_began(step.name)

    def step_ended(self, step: WatchedStep, *, seconds: float, failed: bool) -> None:
        """Take note of a step that runs no more."""
        self._progress.board.row(step.process_id).step_ended(step.name, failed=failed)
        if self._request.shows_steps:
            what = f"step {step.key} {'failed' if failed else 'done'} after {seconds:.3f} s"
            self._progress.line(Line(who=step.process_id, what=what, tone=Tone.QUIET))

    def child_started(self, child_id: str) -> None:
        """Follow a process that another one has started."""
        self._followers.start_soon(self._follow, child_id)

    async def _follow(self, process_id: str) -> None:
        if process_id in self._followed:
            return
        self._followed.add(process_id)
        self._progress.line(Line(who=process_id, what="starts"))
        async for event in ProcessHandle(self._runtime, process_id).events():
            self._progress.board.event(event)
            self._progress.line(Line(who=process_id, what=describe(event), tone=tone_of(event)))

    async def _settle(self) -> None:
        """Let the children end that were asked to because their parent ended badly."""
        grace = self._request.worker.cancel_grace_seconds + _SETTLE_MARGIN_SECONDS
        with trio.move_on_after(grace):
            for record in await self._not_ended():
                asked = await self._registry.count_events_through(
                    record.id, CANCEL_REQUESTED, MAX_SEQUENCE
                )
                if asked:
                    await self._registry.await_process(record.id)

    async def _not_ended(self) -> list[ProcessRecord]:
        """The process and what it has started, as far as that has not ended."""
        found = [await self._registry.get_process(each) for each in sorted(self._followed)]
        return [record for record in found if record is not None and not record.is_terminal]

    async def _tell_of_the_rest(self) -> None:
        file = self._place.file
        stays = "is gone with this command" if file is None else f"stays in {file}"
        for record in await self._not_ended():
            wait = "" if record.wait is None else f" ({describe_wait(record.wait)})"
            what = f"has not ended{wait}, and {stays}"
            self._progress.line(Line(who=record.id, what=what, tone=Tone.BAD))
