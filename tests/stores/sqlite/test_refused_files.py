"""Files that cannot be used: what is said of them, and that nothing is changed or left open."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from lash_trio import StoreError
from lash_trio.stores.sqlite import SqliteOptions, open_sqlite

# The database's threads would keep the interpreter, if they were left alone.
OPEN = """
import sys, trio
from lash_trio import StoreError
from lash_trio.stores.sqlite import open_sqlite

async def main():
    async with open_sqlite(sys.argv[1]) as stores:
        await stores.registry.list_non_terminal()
        print("it was opened")

try:
    trio.run(main)
except* StoreError as group:
    (error,) = group.exceptions
    print(error.code, error.message)
"""


def text_file(directory: Path) -> Path:
    path = directory / "notes.txt"
    path.write_text("not a database at all, but long enough to look like one\n" * 20)
    return path


def directory(directory: Path) -> Path:
    path = directory / "a directory"
    path.mkdir()
    return path


def nowhere(directory: Path) -> Path:
    return directory / "nowhere" / "x.db"


def ours(directory: Path) -> Path:
    path = directory / "x.db"
    connection = apsw.Connection(str(path))
    connection.execute((Path(__file__).parent / "version_1.sql").read_text("utf-8"))
    connection.close()
    return path


def newer(directory: Path) -> Path:
    path = ours(directory)
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 999)
    connection.close()
    return path


def other_application(directory: Path) -> Path:
    path = directory / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.execute("PRAGMA application_id = 7")
    connection.commit()
    connection.close()
    return path


def another_with_our_number(directory: Path) -> Path:
    path = directory / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    return path


def damaged(directory: Path) -> Path:
    path = ours(directory)
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    return path


def damaged_header(directory: Path) -> Path:
    path = ours(directory)
    content = bytearray(path.read_bytes())
    # The tree of the schema itself, behind a header that is fine.
    content[100:400] = os.urandom(300)
    path.write_bytes(content)
    return path


def cut_off(directory: Path) -> Path:
    path = ours(directory)
    path.write_bytes(path.read_bytes()[:6000])
    return path


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (text_file, "is no SQLite database; give the name of another file"),
        (directory, "is a directory; give the name of a file in it"),
        (nowhere, "could not be opened; its directory has to be there"),
        (newer, "has schema version 999, this lash_trio knows up to"),
        (other_application, "is a database of another application (application id 7)"),
        (another_with_our_number, "is a database of another application (application id 0)"),
        (damaged, "is damaged; stop all programs that use it and restore a backup"),
        (damaged_header, "is damaged; stop all programs that use it and restore a backup"),
        (cut_off, "is damaged; stop all programs that use it and restore a backup"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_left_alone(
    tmp_path: Path, make: object, expected: str
) -> None:
    assert callable(make)
    path: Path = make(tmp_path)
    before = path.read_bytes() if path.is_file() else None
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OPEN, str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith(f"runtime_store {str(path)!r} {expected}"), done.stdout
    if make not in (damaged, damaged_header, cut_off):
        assert (path.read_bytes() if path.is_file() else None) == before
        left = sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []
        assert not [name for name in left if name.endswith(("-wal", "-shm", "-journal"))]


class ReadOnlyVFS(apsw.VFS):
    """Opens every file as one without permission to write is opened.

    Tests may run as a user whom permissions do not concern.
    """

    def __init__(self) -> None:
        super().__init__("read_only", "")

    def xOpen(  # noqa: N802
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        flags[0] = (flags[0] & ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)) | (
            apsw.SQLITE_OPEN_READONLY
        )
        return super().xOpen(name, flags)


async def test_a_read_only_file(tmp_path: Path) -> None:
    path = ours(tmp_path)
    vfs = ReadOnlyVFS()
    try:
        with pytest.raises(StoreError) as caught:
            async with open_sqlite(path, SqliteOptions(vfs="read_only")):
                raise AssertionError("it was opened")
    finally:
        vfs.unregister()
    assert caught.value.message.startswith(f"{str(path)!r} is read-only for this program")


async def test_a_file_in_memory_has_no_log_to_share() -> None:
    with pytest.raises(StoreError, match="cannot keep a write-ahead log"):
        async with open_sqlite(":memory:"):
            raise AssertionError("it was opened")
