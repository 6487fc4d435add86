"""The disk that fails, by itself."""

from __future__ import annotations

import builtins
import importlib
import sys
from pathlib import Path

import apsw
import pytest

from lash_trio.testing.faulty_sqlite import DiskFault, FaultyDisk


def opened(disk: FaultyDisk, path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), vfs=disk.name)
    connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
    return connection


def insert(connection: apsw.Connection, value: str) -> None:
    connection.execute("INSERT INTO t VALUES (?)", (value,))


def values(path: Path) -> list[object]:
    connection = apsw.Connection(str(path))
    found = [value for (value,) in connection.execute("SELECT a FROM t")]
    connection.close()
    return found


def test_without_a_fault_it_counts(tmp_path: Path) -> None:
    with FaultyDisk(DiskFault.IO_ERROR, None) as disk:
        connection = opened(disk, tmp_path / "x.db")
        before = disk.writes
        insert(connection, "one")
        assert disk.writes > before > 0
        assert not disk.failed
        connection.close()
    assert values(tmp_path / "x.db") == ["one"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(DiskFault.IO_ERROR, apsw.IOError), (DiskFault.DISK_FULL, apsw.FullError)],
)
def test_it_fails_once_and_works_again(
    tmp_path: Path, fault: DiskFault, expected: type[apsw.Error]
) -> None:
    with FaultyDisk(fault, None) as disk:
        opened(disk, tmp_path / "x.db").close()
        writes = disk.writes
    (tmp_path / "x.db").unlink()
    with FaultyDisk(fault, writes + 1) as disk:
        connection = opened(disk, tmp_path / "x.db")
        failed_before = disk.failed
        with pytest.raises(expected, match=f"write {writes + 1}"):
            insert(connection, "lost")
        assert (failed_before, disk.failed) == (False, True)
        insert(connection, "kept")
        connection.close()
    assert values(tmp_path / "x.db") == ["kept"]


def test_after_a_power_cut_nothing_is_written_any_more(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with FaultyDisk(DiskFault.POWER_CUT, None) as disk:
        opened(disk, path).close()
    before = path.read_bytes()
    with FaultyDisk(DiskFault.POWER_CUT, 1) as disk:
        connection = opened(disk, path)
        for _ in range(3):
            with pytest.raises(apsw.IOError, match="power was cut at write 1"):
                insert(connection, "lost")
        assert path.read_bytes() == before
        connection.close()
    assert values(path) == []


def test_the_write_that_is_cut_leaves_half_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with FaultyDisk(DiskFault.POWER_CUT, 1) as disk:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_MAIN_DB
        file = apsw.VFSFile(disk.name, str(path), [flags, 0])
        with pytest.raises(apsw.IOError):
            file.xWrite(b"0123456789", 0)
        with pytest.raises(apsw.IOError):
            file.xWrite(b"abcdefghij", 0)
        with pytest.raises(apsw.IOError):
            file.xTruncate(0)
        file.xClose()
    assert path.read_bytes() == b"01234"


def test_two_disks_know_nothing_of_each_other(tmp_path: Path) -> None:
    with (
        FaultyDisk(DiskFault.POWER_CUT, 1) as broken,
        FaultyDisk(DiskFault.IO_ERROR, None) as whole,
    ):
        with pytest.raises(apsw.IOError):
            opened(broken, tmp_path / "a.db")
        opened(whole, tmp_path / "b.db").close()
        assert broken.name != whole.name
    assert broken.name not in apsw.vfs_names()


def test_without_apsw_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lash_trio.testing.faulty_sqlite")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(builtins.ImportError, match=r"pip install 'lash-trio\[sqlite\]'"):
        importlib.import_module("lash_trio.testing.faulty_sqlite")
