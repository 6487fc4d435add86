"""What the handlers of a virtual object can do, whoever runs them.

A handler is called one at a time for each key (exclusive), or beside others (shared, and
then it only reads).  What it does is replayed from a journal after a crash: so it does
nothing else than what stands here, and does the same again where it reads the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

import attrs

from ...model import EffectError, JsonObject, JsonValue, canonical_json
from ._answer import Asked, refusal

LOG_SERVICE = "LashProcessLog"
"""The virtual objects that each hold one process's row and log."""

INDEX_SERVICE = "LashProcessIndex"
"""The virtual objects that each know the processes of a namespace."""

GRANTS_SERVICE = "LashGrants"
"""The virtual objects that each hold the grants of a namespace."""


@attrs.frozen
class Target:
    """A handler, and the object that it is called on."""

    service: str
    key: str
    handler: str


class ObjectCall(Protocol):
    """One call of a handler.

    State is text (JSON) under text keys.  What is written becomes visible to shared
    handlers one write after another: so the write that makes the others valid comes last.
    """

    @property
    def key(self) -> str:
        """Of the object."""
        ...

    async def read(self, *keys: str) -> list[str | None]:
        """What stands under some keys, all asked for at once."""
        ...

    async def keys(self) -> list[str]:
        """All keys that the object has, in no order."""
        ...

    def write(self, key: str, text: str) -> None:
        """Write a text under a key."""
        ...

    def clear(self, key: str) -> None:
        """Remove what stands under a key."""
        ...

    def now_ms(self) -> int:
        """Milliseconds since the epoch, the same on every replay."""
        ...

    def token(self) -> str:
        """A text that nobody has had before, the same on every replay."""
        ...

    async def call(self, target: Target, body: JsonObject) -> JsonValue:
        """Call another handler and wait for the value that it answers with.

        Raises:
            EffectError: that it answers with.
            StoreError: it was killed.
        """
        ...

    def send(self, target: Target, body: JsonObject) -> None:
        """Call another handler some time soon, and once."""
        ...

    def awakeable(self) -> str:
        """The name of something that others can complete."""
        ...

    async def wait_awakeable(self, name: str, duration_ms: int) -> str | None:
        """Wait for one to be completed; None where it was not in time."""
        ...

    def complete_awakeable(self, name: str, text: str) -> None:
        """Complete one, wherever it waits; one that is over already is left alone."""
        ...


Serve: TypeAlias = Callable[[ObjectCall, Asked], Awaitable[JsonObject]]
"""Answers a request; an :class:`~lash_trio.EffectError` is a refusal."""


@attrs.frozen
class ObjectHandler:
    """A handler of a virtual object.

    Args:
        serve: answers.
        is_shared: whether it runs beside others, and only reads.
        inactivity_ms: for how long Restate listens to it when it says nothing; that of
            its service where None.
    """

    serve: Serve
    is_shared: bool = False
    inactivity_ms: int | None = None


Objects: TypeAlias = Mapping[str, Mapping[str, ObjectHandler]]
"""The handlers of each service, by name."""


async def answer(handler: ObjectHandler, call: ObjectCall, body: bytes) -> bytes:
    """Have a handler answer a request."""
    try:
        answered = await handler.serve(call, Asked.of(body))
    except EffectError as error:
        answered = refusal(error)
    return canonical_json(answered).encode()
