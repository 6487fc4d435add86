"""What the functions of this package need of a connection.

apsw's own types name one that Python 3.11 does not have, so that a strict type
checker knows nothing of what it reads; these it knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, TypeAlias

SqlValue: TypeAlias = int | float | str | bytes | None
SqlBindings: TypeAlias = Sequence[SqlValue] | Mapping[str, SqlValue]


class SqlRows(Protocol):
    """Rows of a result; what is in their columns the statement says."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...
    def fetchall(self) -> list[tuple[Any, ...]]: ...


class SqlConnection(Protocol):
    """A connection, as a function in its thread sees it."""

    @property
    def in_transaction(self) -> bool: ...
    def execute(self, statements: str, bindings: SqlBindings = (), /) -> SqlRows: ...
    def executemany(
        self, statements: str, sequenceofbindings: Iterable[Sequence[SqlValue]], /
    ) -> SqlRows: ...
    def pragma(self, name: str, value: SqlValue = None, /) -> Any: ...
    def close(self) -> None: ...
    def last_insert_rowid(self) -> int: ...
    def changes(self) -> int: ...
    def total_changes(self) -> int: ...
    def readonly(self, name: str, /) -> bool: ...
    def __enter__(self) -> SqlConnection: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None: ...
    def set_busy_timeout(self, milliseconds: int, /) -> None: ...
