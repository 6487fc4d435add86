"""Exceptions that end programs, where a process may not end one."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator

import click

from ._interrupt import Interrupts


@contextlib.contextmanager
def exits_told(interrupts: Interrupts) -> Generator[None]:
    """Turn exceptions that end a program into an exit status."""
    try:
        yield
        interrupts.ignore_more()
    except* KeyboardInterrupt:
        # Ctrl-C where nobody listens for it, for example while the file is imported.
        interrupts.note(signal.SIGINT)
    except* SystemExit:
        click.echo(
            "lash-trio: the process raised SystemExit, which ends programs and not processes; "
            "return a value, or raise another exception",
            err=True,
        )
