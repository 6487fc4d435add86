"""The frames of Restate's protocol, as far as the state machine does not tell of them.

The state machine replays a journal: it must be given the recorded commands again, in the
order in which they were recorded.  It does not say which those are, so they are read here
from the same bytes.  And it cannot ask the server to pause an invocation.

Source: the service protocol of Restate, versions 5 to 7
(https://github.com/restatedev/sdk-shared-core, ``service_protocol``).  A frame is a type
(2 bytes), flags (2), the length of its message (4), and a protobuf message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

import attrs

_HEADER = struct.Struct(">HHI")
_START = 0x0000
_ERROR = 0x0002
_KNOWN_ENTRIES = 3
_PROMISE_KEY = 1
_RESULT_VALUE = 14
_VALUE_CONTENT = 1
_NAME = 12
_PAUSE = 1


class CommandKind(IntEnum):
    """The types of the commands that this engine records."""

    INPUT = 0x0400
    OUTPUT = 0x0401
    GET_PROMISE = 0x0409
    PEEK_PROMISE = 0x040A
    COMPLETE_PROMISE = 0x040B
    SLEEP = 0x040C
    RUN = 0x0411


_COMMANDS = range(0x0400, 0x8000)


@attrs.frozen(kw_only=True)
class RecordedCommand:
    """A command that an earlier attempt has issued.

    Args:
        kind: the type of its frame, one of :class:`CommandKind` if this engine wrote it.
        name: of a run or a sleep; the key of a promise.
        value: what an output holds, where it is no error.
    """

    kind: int
    name: str
    value: bytes | None = None


class JournalReader:
    """Reads the commands of a journal from what the server sends first.

    Feed it the same bytes as the state machine until :attr:`is_complete`.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left: int | None = None
        self.commands: list[RecordedCommand] = []

    @property
    def is_complete(self) -> bool:
        """Whether all that was known when the attempt began has been read."""
        return self._left == 0

    def feed(self, data: bytes) -> None:
        """Read on; what comes after the journal is left alone.

        Raises:
            ValueError: the bytes are no frames, or the first is no start.
        """
        if self._left == 0:
            return
        self._buffer += data
        while (frame := self._next_frame()) is not None:
            self._read(*frame)
            if self._left == 0:
                self._buffer.clear()

    def _next_frame(self) -> tuple[int, bytes] | None:
        if len(self._buffer) < _HEADER.size:
            return None
        kind, _, length = _HEADER.unpack_from(self._buffer)
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        message = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        return kind, message

    def _read(self, kind: int, message: bytes) -> None:
        if self._left is None:
            if kind != _START:
                raise ValueError(f"expected a start message first, got type {kind:#06x}")
            self._left = _number(message, _KNOWN_ENTRIES)
            return
        self._left -= 1
        if kind in _COMMANDS:
            self.commands.append(_command(kind, message))


def pause_frame(code: int, message: str) -> bytes:
    """The frame that ends an attempt and has the server pause the invocation.

    The field that asks for the pause came with version 7 of the protocol; the server 1.7
    heeds it in version 6 as well.  A server that does not tries again by its policy.

    Args:
        code: an HTTP status, or one of Restate's own.
        message: is shown to operators.
    """
    text = message.encode()
    body = b"".join(
        [
            _tag(1, 0) + _varint(code),
            _tag(2, 2) + _varint(len(text)) + text,
            _tag(9, 0) + _varint(_PAUSE),
        ]
    )
    return _HEADER.pack(_ERROR, 0, len(body)) + body


def _command(kind: int, message: bytes) -> RecordedCommand:
    name_field = _PROMISE_KEY if kind in _OF_PROMISES else _NAME
    name, value = "", None
    for number, content in _fields(message):
        if number == name_field and isinstance(content, bytes):
            name = content.decode()
        elif kind == CommandKind.OUTPUT and number == _RESULT_VALUE and isinstance(content, bytes):
            value = _bytes(content, _VALUE_CONTENT)
    return RecordedCommand(kind=kind, name=name, value=value)


_OF_PROMISES = frozenset(
    {CommandKind.GET_PROMISE, CommandKind.PEEK_PROMISE, CommandKind.COMPLETE_PROMISE}
)


def _number(message: bytes, field: int) -> int:
    found = dict(_fields(message)).get(field, 0)
    if isinstance(found, bytes):
        raise ValueError(f"expected a number in field {field}, got {len(found)} bytes")
    return found


def _bytes(message: bytes, field: int) -> bytes:
    found = dict(_fields(message)).get(field, b"")
    if isinstance(found, int):
        raise ValueError(f"expected bytes in field {field}, got the number {found}")
    return found


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: numbers, and texts or messages as bytes.

    Source: the wire format of protocol buffers
    (https://protobuf.dev/programming-guides/encoding).
    """
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _read_varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _read_varint(message, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise ValueError(f"expected a wire type of protobuf, got {wire}")
        if at + length > len(message):
            raise ValueError("a field is longer than its message")
        yield number, message[at : at + length]
        at += length


_FIXED = {1: 8, 5: 4}
_VARINT_BITS = 70


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < _VARINT_BITS:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number does not end")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)
