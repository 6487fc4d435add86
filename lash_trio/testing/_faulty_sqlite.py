"""A SQLite VFS that fails at one write."""

from __future__ import annotations

import threading
import uuid
from contextlib import AbstractContextManager
from enum import StrEnum
from types import TracebackType

import apsw


class DiskFault(StrEnum):
    """What goes wrong."""

    IO_ERROR = "io_error"
    """The write fails, and nothing of it is written; the next one works."""
    DISK_FULL = "disk_full"
    """The same, because there is no room."""
    POWER_CUT = "power_cut"
    """Half of the bytes are written; that write and all later ones fail.

    A sync that is cut fails, and so does all that comes after it.  What had been
    written before stays: it is an orderly disk, without a cache of its own.
    """


class FaultyDisk(AbstractContextManager["FaultyDisk"]):
    """A disk that fails once, for all SQLite files that are opened on it.

    Syncs take no time: the real disk is not asked.

    Give its :attr:`name` to whoever opens the files, inside the block::

        with FaultyDisk(DiskFault.POWER_CUT, at=7) as disk:
            options = SqliteOptions(vfs=disk.name)
            ...

    Run a scenario with ``at=None`` first: :attr:`writes` tells how many there are to fail.

    Args:
        fault: what goes wrong.
        at: at which write, sync or truncation, counted from 1 over all files; never
            where None.
    """

    def __init__(self, fault: DiskFault, at: int | None) -> None:
        self._fault = fault
        self._at = at
        self._lock = threading.Lock()
        self._writes = 0
        self.name: str = f"faulty-{uuid.uuid4().hex}"

    @property
    def writes(self) -> int:
        """How many writes, syncs and truncations were asked for."""
        return self._writes

    @property
    def failed(self) -> bool:
        """Whether the fault has come."""
        return self._at is not None and self._writes >= self._at

    def __enter__(self) -> FaultyDisk:
        self._vfs = _FaultyVFS(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._vfs.unregister()

    def begin_write(self) -> apsw.Error | None:
        """Count a write.

        Returns:
            The error that it fails with, or None.
        """
        with self._lock:
            self._writes += 1
            number = self._writes
        if self._at is None or number < self._at:
            return None
        if self._fault is DiskFault.POWER_CUT:
            return apsw.IOError(f"the power was cut at write {self._at}")
        if number > self._at:
            return None
        if self._fault is DiskFault.DISK_FULL:
            return apsw.FullError(f"the disk is full at write {number}")
        return apsw.IOError(f"the disk fails at write {number}")

    def is_torn(self) -> bool:
        """Whether the write that was begun last leaves half of its bytes."""
        return self._fault is DiskFault.POWER_CUT and self._writes == self._at


class _FaultyVFS(apsw.VFS):
    def __init__(self, disk: FaultyDisk) -> None:
        super().__init__(disk.name, "")
        self._disk = disk

    def xOpen(  # noqa: N802
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        return _FaultyFile(self._disk, name, flags)


class _FaultyFile(apsw.VFSFile):
    def __init__(
        self, disk: FaultyDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        error = self._disk.begin_write()
        if error is not None:
            if self._disk.is_torn():
                super().xWrite(bytes(data)[: len(data) // 2], offset)  # pyright: ignore[reportUnknownMemberType]
            raise error
        super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType]

    def xSync(self, flags: int) -> None:  # noqa: N802
        # The power cut is make-believe, so nothing has to reach the real disk.
        self._check()

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._check()
        super().xTruncate(newsize)

    def _check(self) -> None:
        error = self._disk.begin_write()
        if error is not None:
            raise error
