"""The file that the commands work on, and what goes wrong with it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click
import trio

from .. import EffectError, PluginError, PluginReason, StoreError

if TYPE_CHECKING:
    from ..stores.sqlite import SqliteOptions, SqliteStores

T = TypeVar("T")
E = TypeVar("E", bound=Exception)
F = TypeVar("F", bound=Callable[..., object])

DB_VARIABLE = "LASH_TRIO_DB"


class CommandError(click.ClickException):
    """Ends the command with one sentence; the exit statuses never change their meaning."""


class MissingExtraError(CommandError):
    """Something has to be installed first."""

    exit_code = 2


class UnknownProcessError(CommandError):
    """There is no such process in the file."""

    exit_code = 3


class FileError(CommandError):
    """The file is missing, or cannot be used."""

    exit_code = 4


class RefusedError(CommandError):
    """The registry refused what was asked."""

    exit_code = 5


def command_error(error: EffectError) -> CommandError:
    """The same as an error of the library says."""
    match error:
        case PluginError(reason=PluginReason.UNKNOWN_PROCESS):
            return UnknownProcessError(error.message)
        case StoreError():
            return FileError(error.message)
        case _:
            return RefusedError(error.message)


def default_db() -> Path:
    """Where processes are kept unless told otherwise: in the user's data directory."""
    import platformdirs

    return platformdirs.user_data_path("lash-trio", appauthor=False) / "processes.db"


def db_option(function: F) -> F:
    """Add ``--db`` to a command."""
    return click.option(
        "--db",
        metavar="FILE",
        type=click.Path(path_type=Path),
        envvar=DB_VARIABLE,
        default=default_db,
        show_default="in your data directory",
        show_envvar=True,
        help="The SQLite file with the processes.",
    )(function)


def json_option(function: F) -> F:
    """Add ``--json`` to a command."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for programs, on one line."
    )(function)


def existing(db: Path) -> Path:
    """The file, which has to be there.

    Raises:
        FileError: it is not.
    """
    _require_apsw()
    if not db.exists():
        raise FileError(
            f"there is no file {str(db)!r}; give the one that your worker uses with --db or "
            f"{DB_VARIABLE} ('lash-trio start' and 'lash-trio worker' make a new one)",
        )
    return db


def existing_or_new(db: Path) -> Path:
    """The file, which will be made if it is not there.

    Raises:
        FileError: it cannot be, as its directory is not there.
    """
    _require_apsw()
    if db == default_db():
        db.parent.mkdir(parents=True, exist_ok=True)
    elif not db.parent.is_dir():
        raise FileError(
            f"{str(db)!r} cannot be made, as there is no directory {str(db.parent)!r}; make it, "
            "or give another file with --db",
        )
    return db


def opened(
    db: Path, options: SqliteOptions | None = None
) -> AbstractAsyncContextManager[SqliteStores]:
    """The stores of a file, for the length of an ``async with`` block."""
    # Loading SQLite takes a while, and what works in memory needs no extra for it.
    from ..stores.sqlite import open_sqlite

    return open_sqlite(os.fspath(db), options)


def work_on(db: Path, work: Callable[[SqliteStores], Awaitable[T]]) -> T:
    """Open a file, work on it, close it.

    Args:
        db: the file.
        work: is given what the file holds.

    Raises:
        CommandError: the file or the registry in it refused.
    """

    async def open_and_work() -> T:
        async with opened(db) as stores:
            return await work(stores)

    return told(lambda: trio.run(open_and_work))


def told(function: Callable[[], T]) -> T:
    """Call a function; an error of the library becomes one sentence and a status.

    Raises:
        CommandError: the function raised such an error.
    """
    try:
        return function()
    except EffectError as error:
        raise command_error(error) from error
    except ExceptionGroup as group:
        refusal = _first(group.subgroup(EffectError))
        if refusal is not None:
            raise command_error(refusal) from group
        closed = _first(group.subgroup(BrokenPipeError))
        if closed is not None:
            # Who reads the output has read enough; click knows what to do then.
            raise closed from None
        raise


def _first(group: ExceptionGroup[E] | None) -> E | None:
    if group is None:
        return None
    first = group.exceptions[0]
    return _first(cast("ExceptionGroup[E]", first)) if isinstance(first, ExceptionGroup) else first


def _require_apsw() -> None:
    if find_spec("apsw") is None:
        raise MissingExtraError(
            "processes are kept in a SQLite file, which needs apsw, which cannot be found; "
            "python -m pip install 'lash-trio[cli,sqlite]' installs what it needs",
        )
