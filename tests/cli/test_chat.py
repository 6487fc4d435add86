"""The chat: durable turns in real processes, and what it says when it cannot."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lash_trio import LlmMessage, LlmRequest, LlmRole
from lash_trio.cli._assistant import default_tools, scripted_model
from lash_trio.turns import ScriptedReply
from tests.cli.support import Invoke

DEADLINE_SECONDS = 30


class Chat:
    """A running chat; what it writes is collected."""

    def __init__(self, db: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lash_trio", "chat", "--scripted", "--db", db, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.text = ""

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.end()

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def read_until(self, wanted: str) -> None:
        assert self.process.stdout is not None
        until = time.monotonic() + DEADLINE_SECONDS
        while wanted not in self.text:
            chunk = os.read(self.process.stdout.fileno(), 65_536)
            assert chunk, f"it ended before it said {wanted!r}: {self.text}"
            assert time.monotonic() < until, f"it never said {wanted!r}: {self.text}"
            self.text += chunk.decode()

    def end(self) -> int:
        """Ctrl-D; returns the exit status."""
        rest, _ = self.process.communicate(timeout=DEADLINE_SECONDS)
        self.text += rest.decode()
        return self.process.returncode


def test_killed_in_a_tool_call_it_goes_on_and_ctrl_c_ends_the_turn_alone(tmp_path: Path) -> None:
    db = tmp_path / "chat.db"
    with Chat(db) as first:
        first.type("hello")
        first.read_until("as message 1")
        first.type("wait 1.5")
        first.read_until("[wait runs]")
        first.process.kill()
        first.end()

    with Chat(db) as second:
        second.read_until("goes on after 1 turns")
        second.read_until("in the middle of a turn, which goes on now")
        second.read_until("The tool says: waited 1.5 s.")
        second.text = ""
        second.type("wait 600")
        second.read_until("[wait runs]")
        second.process.send_signal(signal.SIGINT)
        second.read_until("[cancelled: ")
        assert "interrupted with Ctrl-C" in second.text
        second.type("hello again")
        second.read_until("You said 'hello again', as message")
        assert second.end() == 0

    with Chat(db) as third:
        third.read_until("goes on after 4 turns")
        assert third.end() == 0


def test_two_chats_of_one_session_do_not_answer_at_once(tmp_path: Path) -> None:
    db = tmp_path / "chat.db"
    with Chat(db) as one:
        one.type("wait 600")
        one.read_until("[wait runs]")
        with Chat(db) as other:
            other.read_until("is open in another program")
            assert other.end() == 5
        with Chat(db, "--session", "elsewhere") as elsewhere:
            elsewhere.type("hello")
            elsewhere.read_until("as message 1")
            assert elsewhere.end() == 0


def test_in_a_terminal_it_asks_and_ctrl_c_at_the_prompt_ends_it(tmp_path: Path) -> None:
    terminal, inner = pty.openpty()
    chat = subprocess.Popen(
        [sys.executable, "-m", "lash_trio", "chat", "--scripted", "--db", tmp_path / "chat.db"],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
    )
    os.close(inner)
    text = b""
    while b"you> " not in text:
        text += os.read(terminal, 1024)
    os.write(terminal, b"hello\n")
    while text.count(b"you> ") < 2:
        text += os.read(terminal, 1024)
    assert b"You said 'hello', as message 1." in text
    chat.send_signal(signal.SIGINT)
    assert chat.wait(DEADLINE_SECONDS) == 0
    os.close(terminal)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "give either --scripted or --model NAME"),
        (("--scripted", "--model", "m"), "give either --scripted or --model NAME"),
        (("--scripted", "--session", " "), "--session needs a name that is not blank"),
        (("--scripted", "--db", "/nowhere/x.db"), "there is no directory '/nowhere'"),
    ],
)
def test_what_it_cannot_do(options: tuple[str, ...], told: str, invoke: Invoke) -> None:
    result = invoke("chat", *options)
    assert result.exit_code in (2, 4)
    assert told in " ".join(result.stderr.split())


def asked(text: str) -> LlmRequest:
    return LlmRequest(model="m", messages=(LlmMessage.text(LlmRole.USER, text),))


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("please wait 2.5 s", lambda r: r.tool_calls[0].input_json == '{"seconds":2.5}'),
        ("what time is it", lambda r: r.tool_calls[0].tool_name == "time"),
        ("help", lambda r: "wait 20" in r.text),
        ("wait a minute", lambda r: r.text.startswith("You said 'wait a minute'")),
    ],
)
def test_the_script(text: str, reply: Callable[[ScriptedReply], bool]) -> None:
    assert reply(scripted_model()._reply(asked(text)))
    assert {tool.name for tool in default_tools()} == {"wait", "time"}
