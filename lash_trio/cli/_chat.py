"""``lash-trio chat``: a conversation in the terminal whose turns are durable."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
import trio

from ..model import EffectError, EffectErrorCode, ScopeLeaseHeldError
from ._file import (
    MissingExtraError,
    db_option,
    existing_or_new,
    opened,
    told,
)
from ._lines import Lines
from ._print import note

if TYPE_CHECKING:
    from ..abc import Provider
    from ..model import TurnStreamEvent
    from ..turns import Conversation, ToolLoop, TurnResult

_BUFFERED_EVENTS = 64
_LEASE_TTL_MS = 3_000
_LEASE_POLL_SECONDS = 0.2


@attrs.frozen(kw_only=True)
class ChatRequest:
    """What to talk to, and where it is kept.

    Args:
        db: the file.
        session_id: names the conversation.
        model: which model of the endpoint; the scripted one where None.
        base_url: of the endpoint.
        system_prompt: the first message of every request.
    """

    db: Path
    session_id: str
    model: str | None
    base_url: str | None
    system_prompt: str


@click.command()
@db_option
@click.option(
    "--session",
    "session_id",
    metavar="NAME",
    default="chat",
    show_default=True,
    help="Names the conversation; the same name goes on with it.",
)
@click.option("--scripted", is_flag=True, help="Talk to a script, which needs no network.")
@click.option("--model", metavar="NAME", help="The model of the endpoint to talk to.")
@click.option(
    "--base-url",
    metavar="URL",
    envvar="OPENAI_BASE_URL",
    show_envvar=True,
    help="An endpoint that speaks OpenAI's chat-completions protocol; its key is taken from "
    "OPENAI_API_KEY.",
)
@click.option(
    "--system",
    "system_prompt",
    metavar="TEXT",
    default="",
    help="What the model is told before all else.",
)
def chat(
    db: Path,
    session_id: str,
    scripted: bool,
    model: str | None,
    base_url: str | None,
    system_prompt: str,
) -> None:
    """Talk to a model; what is said and done is kept in the file.

    Kill the program in the middle of an answer or of a tool call and start it again:
    it goes on where it was, and no model call that was answered is made again.

    Ctrl-C ends the turn that runs, not the conversation; where none runs, and with
    Ctrl-D, the program ends.
    """
    if scripted == (model is not None):
        raise click.UsageError("give either --scripted or --model NAME")
    _require_extras(scripted)
    if not session_id.strip():
        raise click.UsageError("--session needs a name that is not blank")
    request = ChatRequest(
        db=existing_or_new(db),
        session_id=session_id,
        model=model,
        base_url=base_url,
        system_prompt=system_prompt,
    )
    told(lambda: trio.run(_main, request))


async def _main(request: ChatRequest) -> None:
    from ..stores.sqlite import SqliteOptions
    from ..turns import Conversation

    # A program that was killed holds its turn for that long.
    options = SqliteOptions(lease_ttl_ms=_LEASE_TTL_MS)
    async with opened(request.db, options) as stores, _loop(request) as loop:
        conversation = Conversation(stores.registry, stores.host(), loop, request.session_id)
        with trio.open_signal_receiver(signal.SIGINT) as interrupts:
            await _Chat(conversation).run(interrupts)


@asynccontextmanager
async def _loop(request: ChatRequest) -> AsyncGenerator[ToolLoop]:
    from ..turns import ToolLoop
    from ._assistant import default_tools, scripted_model

    async with _provider(request, scripted_model()) as provider:
        yield ToolLoop(
            provider=provider,
            model=request.model or "scripted",
            tools=default_tools(),
            system_prompt=request.system_prompt,
        )


@asynccontextmanager
async def _provider(request: ChatRequest, scripted: Provider) -> AsyncGenerator[Provider]:
    if request.model is None:
        yield scripted
        return
    from ..turns.openai import OpenAIProvider

    async with OpenAIProvider(request.base_url) as provider:
        yield provider


class _Chat:
    """Lines in, answers out."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._lines = Lines()
        self._is_terminal = sys.stdin.isatty()
        self._idle = trio.CancelScope()

    async def run(self, interrupts: AsyncIterator[int]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_interrupts, interrupts)
            await self._talk()
            nursery.cancel_scope.cancel("the chat has ended")

    async def _watch_interrupts(self, interrupts: AsyncIterator[int]) -> None:
        async for _ in interrupts:
            if not self._conversation.cancel_turn("interrupted with Ctrl-C"):
                self._idle.cancel("Ctrl-C while no turn runs")

    async def _talk(self) -> None:
        turns = await self._conversation.turns()
        if turns:
            note(f"conversation {self._conversation.session_id!r} goes on after {len(turns)} turns")
        with self._idle:
            if await self._conversation.pending():
                note("it was interrupted in the middle of a turn, which goes on now")
                await self._answer_when_free()
            while (line := await self._ask()) is not None:
                if line.strip():
                    await self._conversation.say(line)
                    await self._answer_when_free()
        click.echo()

    async def _ask(self) -> str | None:
        if self._is_terminal:
            click.secho("you> ", bold=True, nl=False)
        return await self._lines.next()

    async def _answer_when_free(self) -> None:
        """Answer; who held the turn was killed, or is another program that still lives."""
        give_up_at = trio.current_time() + 1.5 * _LEASE_TTL_MS / 1000
        while True:
            try:
                return await self._answer()
            except* ScopeLeaseHeldError as held:
                if trio.current_time() > give_up_at:
                    raise EffectError(
                        EffectErrorCode.SCOPE_LEASE_HELD,
                        f"the conversation {self._conversation.session_id!r} is open in another "
                        "program; leave it there, or start another with --session",
                    ) from held
            await trio.sleep(_LEASE_POLL_SECONDS)

    async def _answer(self) -> None:
        send, receive = trio.open_memory_channel["TurnStreamEvent"](_BUFFERED_EVENTS)
        shown = _Shown()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shown.follow, receive)
            async with send:
                results: list[TurnResult] = await self._conversation.run_turns(send)
        for result in results:
            shown.end(result)


class _Shown:
    """What is on the screen of the turns that run."""

    def __init__(self) -> None:
        self._has_text = False

    async def follow(self, events: trio.MemoryReceiveChannel[TurnStreamEvent]) -> None:
        from ..model import CallRetried, TextDelta, ToolCallEnded, ToolCallStarted

        async for event in events:
            match event:
                case TextDelta(text=text):
                    self._write(text)
                case ToolCallStarted(tool_name=name):
                    self._aside(f"{name} runs")
                case ToolCallEnded(tool_name=name, is_error=is_error, duration_ms=duration_ms):
                    how = "failed" if is_error else "done"
                    self._aside(f"{name} {how} after {duration_ms / 1000:.1f} s")
                case CallRetried(attempt=attempt, pause_seconds=pause, error=error):
                    self._aside(f"attempt {attempt} failed ({error.message}); again in {pause:g} s")
                case _:
                    pass

    def end(self, result: TurnResult) -> None:
        """Show how a turn ended, and its text where that was not streamed."""
        if result.text and not self._has_text:
            self._write(result.text)
        self._line()
        if result.reason is not None:
            click.secho(f"[{result.status}: {_printable(result.reason)}]", dim=True)

    def _write(self, text: str) -> None:
        self._has_text = True
        click.echo(_printable(text, keep="\n\t"), nl=False)
        sys.stdout.flush()

    def _aside(self, text: str) -> None:
        self._line()
        click.secho(f"[{_printable(text)}]", dim=True)

    def _line(self) -> None:
        if self._has_text:
            click.echo()
        self._has_text = False


def _printable(text: str, keep: str = "") -> str:
    """Text without what a terminal would obey."""
    return "".join(c if c.isprintable() or c in keep else "\N{REPLACEMENT CHARACTER}" for c in text)


def _require_extras(scripted: bool) -> None:
    needed = {"pydantic": "turns"} if scripted else {"pydantic": "turns", "httpx2": "openai"}
    missing = [extra for module, extra in needed.items() if find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f"the chat needs more; python -m pip install 'lash-trio[cli,sqlite,"
            f"{','.join(needed.values())}]' installs it"
        )
