"""What the tests of the command share."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Generator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lash_trio.cli._main import command
from tests.cli.support import Invoke, Shown, WriteFile


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def write_file(tmp_path: Path) -> WriteFile:
    """Writes a Python file into the test's directory."""

    def write(source: str, name: str = "processes.py") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        return path

    return write


@pytest.fixture
def imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """What a test imports from its own directory is forgotten after it."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield
    # Not by another `sys.modules`: C code imports into the one that it knows.
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture
def invoke(imports: None, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Runs the command in this interpreter."""
    # A worker sets up logging for its whole program, which is this one here.
    monkeypatch.setattr(logging.root, "handlers", logging.root.handlers.copy())
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    monkeypatch.setattr(logging.getLogger("lash_trio"), "level", logging.NOTSET)

    def run(*args: str | Path) -> Result:
        return CliRunner().invoke(command, [str(arg) for arg in args])

    return run
