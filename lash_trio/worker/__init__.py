"""Authoring of processes, the worker that runs them, and a runtime for both."""

from __future__ import annotations

from ._child import ChildProcess as ChildProcess
from ._context import ContextParts as ContextParts, ProcessContext as ProcessContext
from ._definitions import (
    ProcessDefinition as ProcessDefinition,
    ProcessDefinitions as ProcessDefinitions,
    ProcessFunction as ProcessFunction,
    StartRequest as StartRequest,
)
from ._errors import (
    ProcessCancelledError as ProcessCancelledError,
    ProcessFailedError as ProcessFailedError,
)
from ._hosted import (
    HostedProcess as HostedProcess,
    HostedProcesses as HostedProcesses,
)
from ._nursery import (
    ProcessNursery as ProcessNursery,
    ProcessNurseryManager as ProcessNurseryManager,
)
from ._options import (
    WorkerOptions as WorkerOptions,
    WorkerStatistics as WorkerStatistics,
)
from ._runner import ProcessWorkRunner as ProcessWorkRunner
from ._runtime import (
    ProcessEventStream as ProcessEventStream,
    ProcessHandle as ProcessHandle,
    Runtime as Runtime,
    RuntimeParts as RuntimeParts,
)
from ._waiting import ProcessWaits as ProcessWaits, WaitingOn as WaitingOn
