"""Lines from standard input, without a thread that would outlive who reads them."""

from __future__ import annotations

import codecs
import errno
import os

import trio

_CHUNK_BYTES = 65_536


class Lines:
    """The lines of a file descriptor.

    Args:
        fd: a terminal, a pipe or a file; it stays open, and is not made non-blocking,
            since a terminal is shared with other programs.
    """

    def __init__(self, fd: int = 0) -> None:
        self._fd = fd
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._text = ""
        self._has_ended = False

    async def next(self) -> str | None:
        """The next line without its end, or None at the end.  Always a checkpoint."""
        await trio.lowlevel.checkpoint()
        while "\n" not in self._text and not self._has_ended:
            await self._wait_readable()
            data = os.read(self._fd, _CHUNK_BYTES)
            self._has_ended = not data
            self._text += self._decoder.decode(data, final=not data)
        if not self._text:
            return None
        line, _, self._text = self._text.partition("\n")
        return line.rstrip("\r")

    async def _wait_readable(self) -> None:
        try:
            await trio.lowlevel.wait_readable(self._fd)
        except OSError as error:
            # A regular file cannot be waited for, and need not be.
            if error.errno != errno.EPERM:
                raise
