"""Runs the code blocks of a Markdown page as its reader would.

All ``python`` blocks of a page share one namespace, from top to bottom, as if
typed into one file. A block that awaits at its top level runs under ``trio.run``
with a clock that jumps over sleeps; ``<!-- clock: real -->`` anywhere in the page asks
for the real one, which a page that uses a store with threads must have. ``console`` and
``sh`` blocks must parse; a comment on the line above a block asks for more:

``<!-- run -->``
    Runs the commands, in a directory that belongs to the page. Words may
    follow a colon: ``exit=1`` expects that exit status of the last command,
    ``checkout`` runs in the checkout instead. Lines of a ``console`` block that
    are not commands are the output that is expected; ``...`` stands for
    anything.

``<!-- file: order.py -->``
    Also writes the ``python`` block below into that file of the page's directory.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import os
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final

import attrs
import trio
from sybil import Document, Example, Region
from sybil.evaluators.python import pad
from sybil.parsers.markdown.lexers import (
    DirectiveInHTMLCommentLexer,
    RawFencedCodeBlockLexer,
)
from sybil.parsers.myst import CodeBlockParser
from trio.abc import Clock
from trio.testing import MockClock

CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent

#: Blocks that are shown and not run. Anything else is a mistake: a block that
#: says `py` instead of `python` would otherwise never run and nobody would see it.
SHOWN_ONLY: Final = frozenset({"dot", "ini", "json", "markdown", "mermaid", "rust", "text", "toml"})
SHELL: Final = ("console", "sh")
# The whole info line counts: sybil runs "python" and nothing else, so that
# "python title" would be one more block that silently never runs.
INFO: Final = re.compile(r"(\{(sourcecode|code-block|code-cell|code)\} ?)?(?P<language>[^\n]*)\n")

COMMAND_TIMEOUT_SECONDS: Final = 120

REAL_CLOCK: Final = "<!-- clock: real -->"
# A clock that jumps does not wait for threads: limits in time run out while they work.
THREADED: Final = "lash_trio.stores.sqlite"


@attrs.frozen(kw_only=True)
class Mark:
    """A comment that stands right above a block."""

    directive: str
    words: tuple[str, ...]
    end: int


@attrs.frozen(kw_only=True)
class Command:
    """One command of a console block, and what it is said to print."""

    text: str
    expected_output: str


class PageError(AssertionError):
    """A block that is not what it claims to be."""


def find_pages() -> list[Path]:
    """Every page whose blocks are run: the README and all of the docs."""
    docs = CHECKOUT / "docs"
    pages = [page for page in docs.rglob("*.md") if "_build" not in page.parts]
    return [CHECKOUT / "README.md", *sorted(pages)]


class Page:
    """One Markdown page, ready to be run once.

    Args:
        path: the page.
        directory: where its files are written and its commands run.
    """

    def __init__(self, path: Path, directory: Path) -> None:
        self.module = ModuleType("__main__")
        self._directory = directory
        self._mark: Mark | None = None
        self._real_clock = REAL_CLOCK in path.read_text(encoding="utf-8")
        self._document = Document.parse(
            str(path),
            self._parse_marks,
            self._parse_other_fences,
            CodeBlockParser("python", self._run_python),
            *(CodeBlockParser(language, self._run_shell) for language in SHELL),
        )

    def run(self) -> int:
        """Runs all blocks in order and returns how many there were.

        Raises:
            PageError: a block is malformed or printed something else.
            BaseException: whatever a python block raised.
        """
        blocks = 0
        for example in self._document:
            try:
                example.evaluate()
            except BaseException as error:
                error.add_note(f"in the block at {example.path}:{example.line}")
                raise
            blocks += example.parsed is not None
        self._refuse_pending_mark()
        return blocks

    def _parse_marks(self, document: Document) -> list[Region]:
        regions = list(DirectiveInHTMLCommentLexer("run|file")(document))
        for region in regions:
            # The region ends before the comment's closing arrow.
            region.end = document.text.index("-->", region.end) + len("-->")
            region.parsed = None
            region.evaluator = self._set_mark
        return regions

    def _parse_other_fences(self, document: Document) -> list[Region]:
        for region in RawFencedCodeBlockLexer(INFO)(document):
            language = region.lexemes["language"]
            if not language.startswith("{") and language not in {
                "python",
                *SHELL,
                *SHOWN_ONLY,
            }:
                where = document.line_column(region.start)
                raise PageError(
                    f"{document.path}, {where}: expected a block of python, "
                    f"{', '.join(SHELL)}, or one that is only shown "
                    f"({', '.join(sorted(SHOWN_ONLY))}), got {language!r}"
                )
        return []

    def _set_mark(self, example: Example) -> None:
        self._refuse_pending_mark()
        lexemes = example.region.lexemes
        self._mark = Mark(
            directive=lexemes["directive"],
            words=tuple(lexemes["arguments"].split()),
            end=example.end,
        )

    def _take_mark(self, example: Example, directive: str) -> Mark | None:
        mark = self._mark
        if mark is None:
            return None
        gap = self._document.text[mark.end : example.start]
        if mark.directive != directive or gap.strip():
            self._refuse_pending_mark()
        self._mark = None
        return mark

    def _refuse_pending_mark(self) -> None:
        if self._mark is not None:
            raise PageError(
                f"<!-- {self._mark.directive} --> must stand right above a block "
                "that it fits: run above console or sh, file above python"
            )

    def _run_python(self, example: Example) -> None:
        mark = self._take_mark(example, "file")
        if mark is not None:
            (name,) = mark.words
            self._directory.joinpath(name).write_text(example.parsed, encoding="utf-8")
        code = compile(
            pad(example.parsed, example.line + example.parsed.line_offset),
            example.path,
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        if THREADED in example.parsed and not self._real_clock:
            raise PageError(f"{example.path} uses {THREADED}, so it needs {REAL_CLOCK}")
        clock = None if self._real_clock else MockClock(autojump_threshold=0)
        run_code(code, self.module, clock)

    def _run_shell(self, example: Example) -> None:
        mark = self._take_mark(example, "run")
        if example.region.lexemes["arguments"] == "console":
            commands = split_console(example.parsed)
        else:
            commands = [Command(text=example.parsed, expected_output="")]
        for command in commands:
            check_syntax(command)
        if mark is not None:
            self._run_commands(commands, mark)

    def _run_commands(self, commands: list[Command], mark: Mark) -> None:
        last_status, directory = 0, self._directory
        for word in mark.words:
            if word == "checkout":
                directory = CHECKOUT
            elif word.startswith("exit="):
                last_status = int(word.removeprefix("exit="))
            else:
                raise PageError(f"expected checkout or exit=N after run, got {word!r}")
        for index, command in enumerate(commands, start=1):
            expected_status = last_status if index == len(commands) else 0
            run_command(command, directory, expected_status)


def run_code(code: CodeType, module: ModuleType, clock: Clock | None) -> None:
    """Runs code as the body of a module, under trio if it awaits."""
    result: object = FunctionType(code, module.__dict__)()
    if not inspect.iscoroutine(result):
        return
    coroutine = result

    async def main() -> None:
        await coroutine

    trio.run(main, clock=clock)


def split_console(source: str) -> list[Command]:
    """Splits a terminal session into its commands and their output."""
    commands: list[Command] = []
    for line in source.splitlines(keepends=True):
        if line.startswith("$ "):
            commands.append(Command(text=line[2:], expected_output=""))
        elif not commands:
            raise PageError(f"a console block starts with '$ ', got {line!r}")
        elif commands[-1].text.endswith("\\\n") or line.startswith("> "):
            text = commands[-1].text + line.removeprefix("> ")
            commands[-1] = attrs.evolve(commands[-1], text=text)
        else:
            output = commands[-1].expected_output + line
            commands[-1] = attrs.evolve(commands[-1], expected_output=output)
    return commands


def check_syntax(command: Command) -> None:
    """Refuses a command that a shell cannot parse."""
    try:
        words = shlex.split(command.text, comments=True)
    except ValueError as error:
        raise PageError(f"cannot parse {command.text!r}: {error}") from error
    if not words:
        raise PageError(f"expected a command, got {command.text!r}")
    checked = subprocess.run(
        ["bash", "-n", "-c", command.text], capture_output=True, text=True, check=False
    )
    if checked.returncode != 0:
        raise PageError(f"cannot parse {command.text!r}: {checked.stderr}")


def run_command(command: Command, directory: Path, expected_status: int) -> None:
    """Runs one command and compares its status and, if told, its output."""
    scripts = sysconfig.get_path("scripts")
    environment = os.environ | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.text],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != expected_status:
        raise PageError(
            f"{command.text!r}: expected exit status {expected_status}, "
            f"got {done.returncode} and this output:\n{done.stdout}"
        )
    if command.expected_output and not doctest.OutputChecker().check_output(
        command.expected_output,
        done.stdout,
        doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    ):
        raise PageError(
            f"{command.text!r}: expected this output:\n{command.expected_output}"
            f"\ngot:\n{done.stdout}"
        )
