"""Runs a program of scopes and effects, and keeps the facts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias, cast

import attrs
import trio

from ...abc import (
    EffectHandle,
    EffectHost,
    LocalExecution,
    ProcessLocalExecution,
    ProcessRegistry,
    ScopedEffects,
)
from ...kernel import LocalExecutor
from ...model import (
    DurableStepOutcome,
    EffectCommand,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    EffectScope,
    Invocation,
    InvocationScope,
    ProcessEventAppendRequest,
    ProcessEventType,
    ProcessInput,
    ProcessProvenance,
    ProcessRegistration,
)
from ._effect_facts import EffectFacts, Ending, ScopeFacts
from ._effect_program import (
    Action,
    AwaitResult,
    Block,
    CancelEffect,
    CancelOutside,
    CancelScope,
    Child,
    Effect,
    Emit,
    Execute,
    Limit,
    Pause,
    Start,
)

_PROCESS = "emitter"
_EVENT = "signal.go"


Recorded: TypeAlias = EffectOutcome | EffectError


@attrs.frozen
class Known:
    """What a host knows from earlier runs.

    Args:
        recorded: outcomes and errors, by replay key.
        due: when sleeps and waits that were begun are over, by replay key.
        ordinals: for which event a wait is, by replay key: it asks for the same again.
    """

    recorded: Mapping[str, Recorded] = attrs.field(factory=dict[str, Recorded])
    due: Mapping[str, float] = attrs.field(factory=dict[str, float])
    ordinals: Mapping[str, int] = attrs.field(factory=dict[str, int])


class BlockRaised(Exception):
    """What a block raises that is left by an exception of its own."""


@attrs.frozen
class Place:
    """Where in the program an action is.

    Args:
        path: the numbers on the way to it.
        scope: the scope to ask for effects.
        facts: those of the scope.
        outside: what cancels the block from outside.
        limits: the deadlines inside the block.
    """

    path: str
    scope: ScopedEffects
    facts: ScopeFacts
    outside: trio.CancelScope
    limits: tuple[trio.CancelScope, ...] = ()


@attrs.frozen
class Watched(LocalExecution):
    """An executor that notes how the work of an effect goes."""

    inner: LocalExecution
    facts: EffectFacts
    note: Callable[[str], None]

    async def execute(self, envelope: EffectEnvelope) -> EffectOutcome:
        self.facts.ending = Ending.RUNNING
        self.note(f"{self.facts.key} begins")
        try:
            outcome = await self.inner.execute(envelope)
        except trio.Cancelled:
            self._end(Ending.CANCELLED)
            raise
        except EffectError as error:
            self.facts.error = error
            self._end(Ending.RAISED)
            raise
        self.facts.outcome = outcome
        self._end(Ending.RETURNED)
        return outcome

    def into_process(self) -> ProcessLocalExecution:
        return self.inner.into_process()

    def _end(self, ending: Ending) -> None:
        self.facts.end(ending)
        self.note(f"{self.facts.key} ends: {ending.name.lower()}")


class EffectRunner:
    """Runs the blocks of a program.

    Args:
        host: opens their scopes.
        registry: where the events are.
        known: what the host knows from earlier runs.

    Attributes:
        trace: what happened, for people.
        effects: all effects that were asked for.
        faults: what blocks did that they must not.
    """

    def __init__(self, host: EffectHost, registry: ProcessRegistry, known: Known) -> None:
        self.trace: list[str] = []
        self.effects: list[EffectFacts] = []
        self.faults: list[str] = []
        self._host = host
        self._registry = registry
        self._known = known
        self._handles: list[tuple[EffectHandle, EffectFacts]] = []
        self._due: dict[str, float] = {}
        self._ordinals = dict(known.ordinals)
        self._emitted = 0

    def note(self, line: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{trio.current_time() * 1000:7.1f} ms  {line}")

    async def run(self, block: Block) -> None:
        """Run the outermost block."""
        registration = ProcessRegistration(
            id=_PROCESS,
            input=ProcessInput.external(),
            event_types=(ProcessEventType(name=_EVENT),),
            provenance=ProcessProvenance.host("machine"),
        )
        await self._registry.register_process(registration)
        await self.run_block(block, "b", ())

    async def results(self) -> None:
        """Ask for the results of all effects that were started, when all is over."""
        for handle, facts in self._handles:
            if not handle.done:
                self.faults.append(f"{facts.key} has not ended, and its scope is closed")
            else:
                await self._see(facts, handle)

    def known(self) -> Known:
        """What a host that replays must know, now that all is over."""
        found = dict(self._known.recorded)
        for facts in self.effects:
            # What was cancelled has come to nothing.
            if facts.ending is Ending.RETURNED and facts.outcome is not None:
                found[facts.key] = facts.outcome
            elif facts.ending is Ending.RAISED and isinstance(facts.error, EffectError):
                found[facts.key] = facts.error
        return Known(found, {**self._due, **self._known.due}, self._ordinals)

    async def run_block(
        self, block: Block, path: str, outside: tuple[trio.CancelScope, ...]
    ) -> None:
        """Run a block; an exception of its own ends here."""
        cancel = trio.CancelScope()
        if block.limit_ms is not None:
            cancel.deadline = trio.current_time() + block.limit_ms / 1000
        facts = ScopeFacts(path, (*outside, cancel))
        unwinding: list[BaseException] = []
        with cancel:
            try:
                await self._enter(block, path, cancel, facts, unwinding)
            except BlockRaised as error:
                self._check_left(facts, unwinding, error)
                return
            except BaseException as error:
                self._check_left(facts, unwinding, error)
                raise
            self._check_left(facts, unwinding, None)

    async def _enter(
        self,
        block: Block,
        path: str,
        cancel: trio.CancelScope,
        facts: ScopeFacts,
        unwinding: list[BaseException],
    ) -> None:
        scope: ScopedEffects | None = None
        try:
            async with self._host.scoped(EffectScope.turn("machine", path)) as scope:
                self.note(f"{path} opens")
                place = Place(path, scope, facts, cancel)
                try:
                    await self._body(block, place)
                except BaseException as error:
                    unwinding.append(error)
                    facts.broken_off = True
                    raise
                finally:
                    self.note(f"{path} is left")
        finally:
            self.note(f"{path} is closed")
            if scope is not None:
                self._check_closed(scope, path)

    async def _body(self, block: Block, place: Place) -> None:
        try:
            async with trio.open_nursery() as children:
                await self._do_all(block.actions, place, children)
            if block.raises:
                raise BlockRaised(place.path)
        finally:
            for number, effect in enumerate(block.at_exit):
                await self._execute(effect, f"{place.path}.exit{number}", place)

    def _check_left(
        self,
        facts: ScopeFacts,
        unwinding: Sequence[BaseException],
        left: BaseException | None,
    ) -> None:
        """An exception of the block leaves as it is; else nothing does but a cancellation."""
        unwound = unwinding[0] if unwinding else None
        if _is_cancellation(left):
            as_it_must = facts.is_cancelled_outside and (
                unwound is None or _is_cancellation(unwound)
            )
        else:
            as_it_must = left is unwound
        if not as_it_must:
            self.faults.append(
                f"the block of {facts.name} was left by {unwound!r}, and {left!r} came out"
            )

    def _check_closed(self, scope: ScopedEffects, path: str) -> None:
        """A closed scope has no effect that runs, and takes none."""
        running = [
            facts.key
            for facts in self.effects
            if facts.scope.name == path and facts.ending is Ending.RUNNING
        ]
        if running:
            self.faults.append(f"{running} still run, and their scope {path} is closed")
        envelope, executor = self._effect(Effect("value"), f"{path}.late")
        try:
            scope.start_effect(envelope, executor)
        except EffectError as error:
            if error.code == EffectErrorCode.SCOPE_CLOSED:
                return
            raise
        self.faults.append(f"an effect was started in the scope {path}, which is closed")

    async def _do_all(
        self, actions: Sequence[Action], place: Place, children: trio.Nursery
    ) -> None:
        for number, action in enumerate(actions):
            await self._do(action, f"{place.path}.{number}", place, children)

    async def _do(self, action: Action, path: str, place: Place, children: trio.Nursery) -> None:
        match action:
            case Start(effect):
                self._start(effect, path, place)
            case Execute(effect):
                await self._execute(effect, path, place)
            case AwaitResult(number) if self._handles:
                handle, facts = self._handles[number % len(self._handles)]
                await self._see(facts, handle)
            case CancelEffect(number, reason) if self._handles:
                handle, facts = self._handles[number % len(self._handles)]
                self._ask_to_end(facts, reason)
                handle.cancel(reason)
            case CancelScope(reason):
                self._cancel_scope(place, reason)
            case CancelOutside():
                self.note(f"{place.path} is cancelled from outside")
                place.outside.cancel()
            case Emit():
                self._emitted += 1
                await self._registry.append_event(
                    _PROCESS, ProcessEventAppendRequest(event_type=_EVENT, payload=self._emitted)
                )
            case Pause(duration_ms):
                await trio.sleep(duration_ms / 1000)
            case Limit(duration_ms, inner):
                with trio.move_on_after(duration_ms / 1000) as limit:
                    limited = attrs.evolve(place, path=path, limits=(*place.limits, limit))
                    await self._do_all(inner, limited, children)
            case Child(inner):
                # It runs in the block's nursery, outside of any deadline around this action.
                child = attrs.evolve(place, path=path, limits=())
                children.start_soon(self._do_all, inner, child, children)
            case Block():
                await self.run_block(action, path, (*place.facts.outside, *place.limits))
            case _:
                return

    def _start(self, effect: Effect, path: str, place: Place) -> None:
        facts = self._asked(effect, path, place, is_started=True)
        envelope, executor = self._effect(effect, path)
        try:
            handle = place.scope.start_effect(envelope, Watched(executor, facts, self.note))
        except EffectError as error:
            facts.refused = True
            facts.see(error)
            return
        self._handles.append((handle, facts))

    async def _execute(self, effect: Effect, path: str, place: Place) -> None:
        facts = self._asked(effect, path, place, is_started=False)
        envelope, executor = self._effect(effect, path)
        watched = Watched(executor, facts, self.note)
        try:
            facts.see(await place.scope.execute_effect(envelope, watched))
        except EffectError as error:
            facts.refused = error.code == EffectErrorCode.SCOPE_CLOSED
            facts.see(error)
        except trio.Cancelled as cancelled:
            facts.see(cancelled)
            raise

    async def _see(self, facts: EffectFacts, handle: EffectHandle) -> None:
        try:
            facts.see(await handle.result())
        except EffectError as error:
            facts.see(error)
        self.note(f"the result of {facts.key} is seen: {facts.seen[-1]!r}")

    def _asked(self, effect: Effect, path: str, place: Place, *, is_started: bool) -> EffectFacts:
        # A deadline between the scope and the task does not reach what the scope starts.
        limits = () if is_started else place.limits
        facts = EffectFacts(path, effect, place.facts, limits, is_started)
        facts.reasons += place.facts.reasons[:1]
        facts.outer_before = place.facts.is_cancelled_outside
        facts.recorded = self._known.recorded.get(path)
        facts.due = self._known.due.get(path)
        if effect.kind in ("sleep", "event"):
            self._due[path] = trio.current_time() + effect.duration_ms / 1000
        self.effects.append(facts)
        return facts

    def _ask_to_end(self, facts: EffectFacts, reason: str | None) -> None:
        self.note(f"{facts.key} is asked to end: {reason}")
        facts.reasons.append(reason)

    def _cancel_scope(self, place: Place, reason: str | None) -> None:
        if not place.facts.is_cancelled_outside:
            place.facts.reasons.append(reason)
            for facts in self.effects:
                if facts.scope is place.facts:
                    self._ask_to_end(facts, place.facts.reasons[0])
        place.scope.cancel(reason)

    def _effect(self, effect: Effect, key: str) -> tuple[EffectEnvelope, LocalExecution]:
        """The envelope and executor of an effect."""
        command: EffectCommand = EffectCommand.durable_step(effect.kind, {"key": key})
        executor: LocalExecution = LocalExecutor.call(_work(effect, key))
        if effect.kind == "sleep":
            command = EffectCommand.sleep(effect.duration_ms)
            executor = LocalExecutor.sleep()
        elif effect.kind == "event":
            ordinal = self._ordinals.setdefault(key, self._emitted + 1)
            event_key = f"process:{_PROCESS}:{_EVENT}:{ordinal}"
            command = EffectCommand.await_event(event_key, effect.duration_ms)
            executor = LocalExecutor.await_process_event(
                key=event_key,
                registry=self._registry,
                process_id=_PROCESS,
                event_type=_EVENT,
                event_ordinal=ordinal,
            )
        where = InvocationScope(session_id="machine")
        invocation = Invocation.effect(where, key, command.kind, key)
        return EffectEnvelope(invocation=invocation, command=command), executor


def _work(effect: Effect, key: str) -> Callable[[EffectEnvelope], Awaitable[EffectOutcome]]:
    seconds = effect.duration_ms / 1000

    async def work(_: EffectEnvelope) -> EffectOutcome:
        match effect.kind:
            case "stubborn":
                with trio.CancelScope(shield=True):
                    await trio.sleep(seconds)
            case "tidying":
                try:
                    await trio.sleep(seconds)
                finally:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(0.007)
            case _ if seconds:
                await trio.sleep(seconds)
            case _:
                # Work that takes no time does not checkpoint.
                pass
        if effect.kind == "failure":
            raise EffectError("planted", f"{key} failed")
        return DurableStepOutcome(value=key)

    return work


def _is_cancellation(error: BaseException | None) -> bool:
    """Whether it is nothing but cancellations: nurseries make groups of several."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return all(_is_cancellation(part) for part in group.exceptions)
    return isinstance(error, trio.Cancelled)
