"""What SQLite says, as errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import apsw

from ...model import StoreError

_ADVICE: tuple[tuple[type[apsw.Error], str], ...] = (
    (
        apsw.NotADBError,
        "is no SQLite database; give the name of another file, or of one that is not there yet",
    ),
    (
        apsw.CorruptError,
        (
            "is damaged; stop all programs that use it and restore a backup, or save what can be read "
            "with the `.recover` command of the sqlite3 shell"
        ),
    ),
    (
        apsw.FullError,
        "could not grow, because its disk is full; nothing of this write was kept; make room",
    ),
    (
        apsw.ReadOnlyError,
        (
            "is read-only for this program, which has to write it; change its permissions, or give "
            "another file"
        ),
    ),
    (
        apsw.CantOpenError,
        (
            "could not be opened; its directory has to be there, and this program has to be allowed "
            "to write both"
        ),
    ),
    (
        apsw.IOError,
        "could not be read or written, because its disk failed; look after the disk, and try again",
    ),
)


def store_error(path: str, error: apsw.Error, busy_timeout_seconds: float) -> StoreError:
    """An error of SQLite's as one of ours.

    Args:
        path: of the file.
        error: what SQLite raised.
        busy_timeout_seconds: how long a write waited for others.
    """
    said = f"({type(error).__name__}: {error})"
    if isinstance(error, apsw.BusyError):
        return StoreError(
            f"{path!r} was written by others for more than {busy_timeout_seconds} s, so this write "
            f"gave up; try again, or wait longer with busy_timeout_seconds {said}"
        )
    if isinstance(error, apsw.CantOpenError) and Path(path).is_dir():
        return StoreError(f"{path!r} is a directory; give the name of a file in it {said}")
    for kind, advice in _ADVICE:
        if isinstance(error, kind):
            return StoreError(f"{path!r} {advice} {said}")
    return StoreError(f"SQLite could not work on {path!r} {said}")
