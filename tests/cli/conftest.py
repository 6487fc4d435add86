"""What the tests of the command share."""

from __future__ import annotations

import sys
import textwrap
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
def invoke(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Runs the command in this interpreter."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "modules", sys.modules.copy())

    def run(*args: str | Path) -> Result:
        return CliRunner().invoke(command, [str(arg) for arg in args])

    return run
