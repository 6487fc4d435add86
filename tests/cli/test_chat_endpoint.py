"""The chat with an endpoint: a real server, a kill in the middle of a tool call."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import trio

from tests.cli.support import environment
from tests.turns.openai.server import STREAM, Exchange, delta, events, finish, serving, usage

KEY = "sk-very-secret"


def chat(db: Path, port: int, said: str) -> list[str]:
    base_url = f"http://127.0.0.1:{port}/v1"
    options = ["--model", "m1", "--base-url", base_url, "--db", str(db)]
    code = (
        f"import sys; sys.argv[1:] = {['chat', *options]!r}; from lash_trio.cli import main; main()"
    )
    return ["sh", "-c", f'printf {said!r} | exec "$0" -c "$1"', sys.executable, code]


class Model:
    """Asks for a tool that takes its time, then says what came of it."""

    def __init__(self) -> None:
        self.has_answered = trio.Event()

    async def answer(self, exchange: Exchange) -> None:
        messages = exchange.request.json()["messages"]
        assert isinstance(messages, list)
        if messages[-1]["role"] == "tool":
            said = delta(f"the tool said: {messages[-1]['content']}")
            await exchange.answer(events(said, finish(), usage(prompt_tokens=7)), STREAM)
            return
        function = {"name": "wait", "arguments": '{"seconds": 2}'}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        asked = delta(None, tool_calls=[call])
        await exchange.answer(events(asked, finish("tool_calls"), usage(prompt_tokens=5)), STREAM)
        self.has_answered.set()


def kept(db: Path) -> bytes:
    """All that is in the file, and beside it."""
    return b"".join(path.read_bytes() for path in db.parent.glob(f"{db.name}*"))


async def test_a_call_whose_answer_was_recorded_is_made_once(tmp_path: Path) -> None:
    db, model = tmp_path / "chat.db", Model()
    run = partial(
        trio.run_process,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=environment(OPENAI_API_KEY=KEY),
        start_new_session=True,
    )
    with trio.fail_after(60):
        async with serving(model.answer) as server:
            async with trio.open_nursery() as nursery:
                process = await nursery.start(run, chat(db, server.port, "hello\\n"))
                await model.has_answered.wait()
                # By now the answer is recorded, and its tool has begun.
                await trio.sleep(1)
                os.killpg(process.pid, signal.SIGKILL)
            assert len(server.requests) == 1
        async with serving(model.answer) as server:
            done = await run(chat(db, server.port, ""))
            requests = [request.json()["messages"] for request in server.requests]
    assert done.returncode == 0, done.stderr.decode()
    assert "the tool said: waited 2 s" in done.stdout.decode()
    assert b"in the middle of a turn, which goes on now" in done.stderr
    assert len(requests) == 1, "only the second call is made by the second program"
    assert [message["role"] for message in requests[0]] == ["user", "assistant", "tool"]
    assert KEY.encode() not in done.stdout + done.stderr + kept(db)
