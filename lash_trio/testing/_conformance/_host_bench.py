"""The bench on which hosts and controllers are checked, and the effects they are given."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeAlias

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from ...abc import EffectController, EffectHost, ProcessRegistry
from ...kernel import LocalExecutor
from ...model import (
    DurableStepOutcome,
    EffectCommand,
    EffectEnvelope,
    EffectOutcome,
    EffectScope,
    Invocation,
    InvocationScope,
    JsonValue,
    ProcessCommand,
)
from ...stores.memory import MemoryProcessRegistry
from ._calls import Calls, Settle, open_calls
from ._registry_bench import OpenRegistry
from ._rules import named_check

TURN = EffectScope.turn("s1", "t1")
OTHER_TURN = EffectScope.turn("s1", "t2")


def _memory_registry() -> AbstractAsyncContextManager[ProcessRegistry]:
    return nullcontext(MemoryProcessRegistry())


@attrs.frozen(kw_only=True)
class HostUnderTest:
    """A kind of effect host, as the checks need it.

    Args:
        open: opens a new host for the length of a block, with nothing recorded.
        open_registry: opens a new, empty registry for the processes that effects wait
            for; in memory by default.
        settle: as in :class:`RegistryUnderTest`.
    """

    open: Callable[[], AbstractAsyncContextManager[EffectHost]]
    open_registry: OpenRegistry = _memory_registry
    settle: Settle = wait_all_tasks_blocked


@attrs.frozen(kw_only=True)
class ControllerUnderTest:
    """A kind of effect controller, as the checks need it; an opened scope is one, too.

    Args:
        open: opens a new controller for the length of a block, with nothing recorded.
        open_registry: opens a new, empty registry for process commands; in memory by
            default.
        settle: as in :class:`RegistryUnderTest`.
    """

    open: Callable[[], AbstractAsyncContextManager[EffectController]]
    open_registry: OpenRegistry = _memory_registry
    settle: Settle = wait_all_tasks_blocked


HostCheck: TypeAlias = Callable[[HostUnderTest], Awaitable[None]]
"""A check of one rule of hosts; the function's name is the rule's, its docstring the rule."""

ControllerCheck: TypeAlias = Callable[[ControllerUnderTest], Awaitable[None]]
"""A check of one rule of controllers; the function's name is the rule's, its docstring the rule."""


@attrs.frozen(kw_only=True)
class HostBench:
    """An open host and the means to check it."""

    host: EffectHost
    registry: ProcessRegistry
    settle: Settle

    def calls(self) -> AbstractAsyncContextManager[Calls]:
        """Calls in tasks of their own."""
        return open_calls(self.settle)


@attrs.frozen(kw_only=True)
class ControllerBench:
    """An open controller and the means to check it."""

    controller: EffectController
    registry: ProcessRegistry
    settle: Settle

    def calls(self) -> AbstractAsyncContextManager[Calls]:
        """Calls in tasks of their own."""
        return open_calls(self.settle)


def host_check(body: Callable[[HostBench], Awaitable[None]]) -> HostCheck:
    """A check on a new host, from what it does with one."""

    @functools.wraps(body)
    async def check(under_test: HostUnderTest) -> None:
        async with under_test.open_registry() as registry, under_test.open() as host:
            await body(HostBench(host=host, registry=registry, settle=under_test.settle))

    return named_check(check)


def controller_check(body: Callable[[ControllerBench], Awaitable[None]]) -> ControllerCheck:
    """A check on a new controller, from what it does with one."""

    @functools.wraps(body)
    async def check(under_test: ControllerUnderTest) -> None:
        async with under_test.open_registry() as registry, under_test.open() as controller:
            await body(
                ControllerBench(controller=controller, registry=registry, settle=under_test.settle)
            )

    return named_check(check)


class Work:
    """What an effect does: it notes that it began, waits to be released, and returns.

    Args:
        value: what it returns.
        patient: whether it waits; where not, it returns without a checkpoint.
    """

    def __init__(self, value: JsonValue = None, *, patient: bool = True) -> None:
        self.runs = 0
        self.cancelled = False
        self.ended = False
        self.released = trio.Event()
        self.outcome = DurableStepOutcome(value=value)
        self._patient = patient

    async def run(self, _: EffectEnvelope) -> EffectOutcome:
        """Do it."""
        self.runs += 1
        try:
            if self._patient:
                await self.released.wait()
        except trio.Cancelled:
            self.cancelled = True
            raise
        finally:
            self.ended = True
        return self.outcome

    def executor(self) -> LocalExecutor:
        """An executor that does it."""
        return LocalExecutor.call(self.run)


def at_once(value: JsonValue = None) -> Work:
    """Work that does not wait."""
    return Work(value, patient=False)


def envelope(key: str, command: EffectCommand) -> EffectEnvelope:
    """The envelope of a command, under a replay key that is its effect id as well."""
    invocation = Invocation.effect(InvocationScope(session_id="s1"), key, command.kind, key)
    return EffectEnvelope(invocation=invocation, command=command)


def step(key: str) -> EffectEnvelope:
    """The envelope of a durable step."""
    return envelope(key, EffectCommand.durable_step(key))


def process(key: str, command: ProcessCommand) -> EffectEnvelope:
    """The envelope of a process command."""
    return envelope(key, EffectCommand.process(command))
