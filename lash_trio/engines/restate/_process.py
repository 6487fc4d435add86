"""Processes as workflows of Restate, keyed by their ids, where there is no registry.

The events that a process can wait for are promises of its workflow, named by their type
and ordinal.  A promise gets its value once, so a signal has the ordinal of the first
promise that it could fulfil.
"""

from __future__ import annotations

from itertools import count

import attrs

from ...model import (
    EffectError,
    EffectScope,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    WireError,
    prepare_registration,
)
from ._attempt import Attempt
from ._bodies import (
    AskedCancel,
    AskedSignal,
    AskedStart,
    event_bytes,
    refused,
    returned,
    signal_id_of,
)
from ._controller import Execution, RestateEffectHost, current_execution
from ._ending import BrokeOff, Ending, NeedsRepair, Returned
from ._program import ProcessProgram
from ._promise_waits import PromiseWays
from ._registry import RefusingProcessRegistry
from ._running import CANCEL_PROMISE, ending_of, run_until_cancelled, was_lost
from ._vm import VmFault

_NOT_FOR_HERE = frozenset({PluginReason.UNKNOWN_DEFINITION, PluginReason.UNKNOWN_PROCESS})


@attrs.frozen
class ProcessHandlers:
    """The handlers of the workflow.

    Args:
        program: what there is to run.
        host: opens the effect scopes of the processes.
    """

    program: ProcessProgram
    host: RestateEffectHost

    async def run(self, attempt: Attempt) -> Ending:
        """Run the process to its end."""
        try:
            attempt.adopt_record()
        except VmFault as error:
            return BrokeOff(error)
        if attempt.recorded_output is not None:
            return Returned(attempt.recorded_output)
        process_id = attempt.input.key
        try:
            start = AskedStart.of(attempt.input.body)
            prepared = prepare_registration(
                self.program.registration(process_id, start.definition, start.args)
            )
        except (PluginError, WireError) as error:
            return unstartable(error)
        record = prepared.record(0)
        types = frozenset(each.name for each in record.event_types)
        execution = Execution(
            attempt=attempt,
            process_id=process_id,
            ways=PromiseWays(attempt=attempt, process_id=process_id, event_types=types),
        )
        token = current_execution.set(execution)
        try:
            async with self.host.scoped(EffectScope.process(process_id)) as scope:
                process = self.program.open(record, scope, RefusingProcessRegistry())
                if await was_lost(attempt, record):
                    output: ProcessAwaitOutput | Exception = process.abandoned()
                else:
                    output = await run_until_cancelled(attempt, process)
        finally:
            current_execution.reset(token)
        return ending_of(output)

    async def signal(self, attempt: Attempt) -> Ending:
        """Give a signal its ordinal, whether the process has begun or not."""
        try:
            asked = AskedSignal.of(attempt.input.body)
        except (PluginError, WireError) as error:
            return refused(error)
        value = event_bytes(asked.payload, asked.signal_id)
        for ordinal in count(1):
            key = f"{asked.event_type}:{ordinal}"
            if await attempt.complete_promise(key, value):
                return returned({"ordinal": ordinal})
            # The ordinal is taken: maybe by this very signal, sent once more.
            if asked.signal_id is not None and asked.signal_id == signal_id_of(
                await attempt.peek_promise(key)
            ):
                return returned({"ordinal": ordinal})
        raise AssertionError("there is always another ordinal")

    async def cancel(self, attempt: Attempt) -> Ending:
        """Ask the process to end as cancelled; the first reason stays."""
        try:
            asked = AskedCancel.of(attempt.input.body)
        except WireError as error:
            return refused(error)
        value = event_bytes({"reason": asked.reason})
        return returned({"is_first": await attempt.complete_promise(CANCEL_PROMISE, value)})


def unstartable(error: EffectError) -> Ending:
    """How an attempt ends at a process that cannot be run as it was asked for."""
    if isinstance(error, PluginError) and error.reason in _NOT_FOR_HERE:
        return NeedsRepair(error)
    return refused(error)
