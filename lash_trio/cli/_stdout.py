"""Standard output is for the result alone."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Generator

import click

from .. import JsonValue

_STDOUT_FD, _STDERR_FD = 1, 2


@contextlib.contextmanager
def stdout_to_stderr() -> Generator[None]:
    """Send what is written to stdout in the block to stderr.

    That goes for ``print`` and for what writes to the file descriptor: C extensions
    and child processes.
    """
    with contextlib.redirect_stdout(sys.stderr), _descriptor_to_stderr():
        yield


def write_result(value: JsonValue) -> None:
    """Write a value to stdout: indented for a terminal, else on one line."""
    text = json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
    # JSON is UTF-8, whatever the locale says.
    click.echo(text.encode())


@contextlib.contextmanager
def _descriptor_to_stderr() -> Generator[None]:
    original = sys.__stdout__
    # None where the program was started with one of them closed: the descriptor may
    # then be something else by now.
    if original is None or sys.__stderr__ is None:
        yield
        return
    original.flush()
    kept = os.dup(_STDOUT_FD)
    os.dup2(_STDERR_FD, _STDOUT_FD)
    try:
        yield
    finally:
        original.flush()
        os.dup2(kept, _STDOUT_FD)
        os.close(kept)
