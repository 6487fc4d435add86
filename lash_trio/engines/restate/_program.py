"""What an endpoint asks of those who have the functions of processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ...abc import ProcessRegistry
from ...kernel import ScopedEffectController
from ...model import JsonObject, ProcessAwaitOutput, ProcessRecord, ProcessRegistration


class RunningProcess(Protocol):
    """One run of a process's function."""

    def cancel(self, reason: str | None = None) -> None:
        """Ask it to end as cancelled."""
        ...

    def abandoned(self) -> ProcessAwaitOutput:
        """How it ends where an earlier run was lost and it may not be run again."""
        ...

    async def run(self) -> ProcessAwaitOutput:
        """Run it to its end."""
        ...

    async def end(
        self, output: ProcessAwaitOutput, started: Iterable[ProcessRegistration] = ()
    ) -> ProcessAwaitOutput:
        """Write its end into its log, and ask the children to end where it did not succeed.

        Args:
            output: how it ended.
            started: the children that this or an earlier run may have started.

        Returns:
            The end that the log has.
        """
        ...


class ProcessProgram(Protocol):
    """What there is to run; :class:`~lash_trio.worker.HostedProcesses` is one."""

    def registration(
        self, process_id: str, definition: str, args: JsonObject
    ) -> ProcessRegistration:
        """What registers a process that nobody has registered.

        Raises:
            PluginError: there is no such definition, it takes other arguments, no engine
                runs it, or the id is none.
        """
        ...

    def open(
        self,
        record: ProcessRecord,
        scope: ScopedEffectController,
        registry: ProcessRegistry,
        *,
        is_rerun: bool = False,
    ) -> RunningProcess:
        """One run of a process, in an opened effect scope.

        Args:
            record: its row.
            scope: the process's.
            registry: keeps its log, and the other processes.
            is_rerun: whether the row may show what an earlier run waited for.

        Raises:
            PluginError: there is no such definition, or no engine runs it.
        """
        ...
