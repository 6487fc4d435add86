"""The objects of the registry in memory: the real handlers, without a server.

Exclusive handlers of an object run one after another, as on a server; nothing is replayed.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import attrs
import trio

from lash_trio.abc import Clock
from lash_trio.engines.restate._answer import unwrap
from lash_trio.engines.restate._object import Target, answer
from lash_trio.engines.restate._objects import registry_objects
from lash_trio.model import JsonObject, JsonValue, canonical_json, parse_json


@attrs.define(eq=False)
class FakeRestate:
    """Serves calls of handlers.

    Attributes:
        state: by service and key of the object.
        sent: the one-way calls that are for no object here.
        reads: how many keys each handler has read.
    """

    clock: Clock
    runs_processes: bool = False
    state: dict[tuple[str, str], dict[str, str]] = attrs.field(
        factory=lambda: defaultdict[tuple[str, str], dict[str, str]](dict)
    )
    sent: list[tuple[Target, JsonObject]] = attrs.field(factory=list[tuple[Target, JsonObject]])
    reads: Counter[str] = attrs.field(factory=Counter[str])
    completed: dict[str, str] = attrs.field(factory=dict[str, str])
    waiting: dict[str, trio.Event] = attrs.field(factory=dict[str, trio.Event])
    names: int = 0
    _locks: dict[tuple[str, str], trio.Lock] = attrs.field(
        factory=lambda: defaultdict[tuple[str, str], trio.Lock](trio.Lock)
    )

    async def ask(self, target: Target, body: bytes) -> JsonObject:
        """Call a handler with the bytes of a request."""
        handler = registry_objects(runs_processes=self.runs_processes)[target.service][
            target.handler
        ]
        call = FakeCall(self, target)
        if handler.is_shared:
            answered = await answer(handler, call, body)
        else:
            async with self._locks[target.service, target.key]:
                answered = await answer(handler, call, body)
        for sent, sent_body in call.sends:
            if sent.service in registry_objects(runs_processes=False):
                await self.ask(sent, canonical_json(sent_body).encode())
            else:
                self.sent.append((sent, sent_body))
        found: JsonObject = json.loads(answered)
        return found

    async def call(self, service: str, key: str, handler: str, body: JsonObject) -> JsonObject:
        """Call a handler; returns its whole answer."""
        return await self.ask(Target(service, key, handler), canonical_json(body).encode())

    async def value(self, service: str, key: str, handler: str, **body: Any) -> Any:
        """Call a handler; returns the value, raises the refusal."""
        return unwrap(await self.call(service, key, handler, body))


@attrs.define(eq=False)
class FakeCall:
    """One call of a handler."""

    restate: FakeRestate
    target: Target
    sends: list[tuple[Target, JsonObject]] = attrs.field(factory=list[tuple[Target, JsonObject]])

    @property
    def key(self) -> str:
        return self.target.key

    @property
    def _state(self) -> dict[str, str]:
        return self.restate.state[self.target.service, self.target.key]

    async def read(self, *keys: str) -> list[str | None]:
        await trio.lowlevel.checkpoint()
        self.restate.reads[self.target.handler] += len(keys)
        return [self._state.get(key) for key in keys]

    async def keys(self) -> list[str]:
        await trio.lowlevel.checkpoint()
        return list(self._state)

    def write(self, key: str, text: str) -> None:
        parse_json(text)
        self._state[key] = text

    def clear(self, key: str) -> None:
        self._state.pop(key, None)

    def now_ms(self) -> int:
        return self.restate.clock.now_ms()

    def token(self) -> str:
        self.restate.names += 1
        return f"token-{self.restate.names}"

    async def call(self, target: Target, body: JsonObject) -> JsonValue:
        return unwrap(await self.restate.ask(target, canonical_json(body).encode()))

    def send(self, target: Target, body: JsonObject) -> None:
        self.sends.append((target, body))

    def awakeable(self) -> str:
        self.restate.names += 1
        name = f"sign_{self.restate.names}"
        self.restate.waiting[name] = trio.Event()
        return name

    async def wait_awakeable(self, name: str, duration_ms: int) -> str | None:
        with trio.move_on_after(duration_ms / 1000):
            await self.restate.waiting[name].wait()
        return self.restate.completed.get(name)

    def complete_awakeable(self, name: str, text: str) -> None:
        self.restate.completed.setdefault(name, text)
        if name in self.restate.waiting:
            self.restate.waiting[name].set()
