"""A process that another process started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import JsonValue, ProcessAwaitOutput
from ._errors import value_of

if TYPE_CHECKING:
    from ._context import ProcessContext


class ChildProcess:
    """A started process, as its parent sees it.

    Args:
        context: the parent's; every method is an effect of the parent.
        process_id: the child's id.
    """

    def __init__(self, context: ProcessContext, process_id: str) -> None:
        self._context = context
        self.id = process_id

    def __repr__(self) -> str:
        return f"<child process {self.id!r}>"

    async def output(self) -> ProcessAwaitOutput:
        """Wait for its end; see :meth:`ProcessContext.await_process`."""
        return await self._context.await_process(self.id)

    async def result(self) -> JsonValue:
        """Wait for its value.

        Raises:
            ProcessFailedError: it failed.
            ProcessCancelledError: it was cancelled.
        """
        return value_of(self.id, await self.output())

    async def signal(self, name: str, payload: JsonValue = None) -> int:
        """Send it a signal; see :meth:`ProcessContext.signal`."""
        return await self._context.signal(self.id, name, payload)

    async def cancel(self, reason: str | None = None) -> None:
        """Ask it to end as cancelled; see :meth:`ProcessContext.cancel`."""
        await self._context.cancel(self.id, reason)
