"""A program with one turn of four tool calls, which kills itself at given records.

``python crashing_turn.py DB LOG [before|after ...]``: every argument is a life, which
SIGKILL ends before or after its first record; then one more life, which prints the
transcript.  LOG gets a line for all that is done.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import trio
import trio.lowlevel

from lash_trio import (
    EffectScope,
    JournalEntry,
    LlmRequest,
    LlmResponse,
    ReplayingEffectHost,
    to_json,
)
from lash_trio.abc import EffectJournal, ScopeJournal, TurnEvents
from lash_trio.stores.sqlite import SqliteOptions, open_sqlite
from lash_trio.turns import (
    Conversation,
    ScriptedProvider,
    ScriptedReply,
    ToolLoop,
    Tools,
)

LEASE_TTL_MS = 300


class Log:
    """What happened, in a file that survives who writes it."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def add(self, line: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)


class LoggedModel(ScriptedProvider):
    """The model: asks for three tools, then for one more, then is done."""

    def __init__(self, log: Log) -> None:
        super().__init__(
            [
                ScriptedReply.calls(*[("work", {"name": name}) for name in ("a", "b", "c")]),
                ScriptedReply.calls(("work", {"name": "d"}), text="one more"),
                ScriptedReply.says("all is done"),
            ]
        )
        self._log = log

    async def complete(self, request: LlmRequest, events: TurnEvents) -> LlmResponse:
        self._log.add(f"model {len(request.messages)}")
        return await super().complete(request, events)


class DeadlyScope(ScopeJournal):
    """Kills the program before or after the first record."""

    def __init__(self, inner: ScopeJournal, journal: DeadlyJournal) -> None:
        self._inner = inner
        self._journal = journal

    @property
    def entries(self) -> Mapping[str, JournalEntry]:
        return self._inner.entries

    async def record(self, entry: JournalEntry) -> JournalEntry:
        if self._journal.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        recorded = await self._inner.record(entry)
        self._journal.log.add(f"recorded {entry.replay_key}")
        if self._journal.moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return recorded


class DeadlyJournal(EffectJournal):
    def __init__(self, inner: EffectJournal, log: Log, moment: str) -> None:
        self._inner = inner
        self.log = log
        self.moment = moment

    @asynccontextmanager
    async def open_scope(
        self, scope: EffectScope, owner_id: str
    ) -> AsyncGenerator[ScopeJournal, None]:
        async with self._inner.open_scope(scope, owner_id) as opened:
            yield DeadlyScope(opened, self)


async def main(db: str, log: Log, moment: str) -> None:
    tools = Tools()

    @tools.tool()
    async def work(name: str) -> str:
        log.add(f"tool {name}")
        await trio.lowlevel.checkpoint()
        return f"worked {name}"

    loop = ToolLoop(provider=LoggedModel(log), model="m", tools=tools)
    async with open_sqlite(db, SqliteOptions(lease_ttl_ms=LEASE_TTL_MS)) as stores:
        journal = DeadlyJournal(stores.journal, log, moment)
        host = ReplayingEffectHost(journal)
        conversation = Conversation(stores.registry, host, loop, "s1")
        await conversation.say("hello", "i1")
        while await conversation.pending():
            try:
                await conversation.run_turns()
            except* Exception as group:
                if "effect_scope_lease_held" not in repr(group):
                    raise
            await trio.sleep(LEASE_TTL_MS / 3000)
        # Records that share a commit share a life, so one of the others may see the end.
        if moment == "never":
            print(json.dumps([to_json(message) for message in await conversation.messages()]))


def live(db: str, log: Log, moment: str) -> int:
    """Run in a child, which spares it the imports; returns its status."""
    child = os.fork()
    if child == 0:
        trio.run(main, db, log, moment)
        sys.stdout.flush()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    _, path, log_path, *moments = sys.argv
    events = Log(log_path)
    for each in moments:
        events.add(f"life {each}")
        events.add(f"ended {live(path, events, each)}")
    sys.exit(live(path, events, "never"))
