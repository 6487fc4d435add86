"""Processes as workflows of Restate, keyed by their ids.

The events that a process can wait for are promises of its workflow, named by their type
and ordinal.  A promise gets its value once, so a signal has the ordinal of the first
promise that it could fulfil.
"""

from __future__ import annotations

from itertools import count
from typing import Protocol

import attrs
import trio

from ...abc import ProcessRegistry
from ...kernel import ScopedEffectController
from ...model import (
    CANCEL_REQUESTED,
    EffectError,
    EffectErrorCode,
    EffectScope,
    JsonObject,
    JsonValue,
    PluginError,
    PluginReason,
    ProcessAwaitOutput,
    WireError,
    canonical_json,
    dumps,
    parse_json,
    signal_event_type,
)
from ._attempt import Attempt
from ._controller import Execution, RestateEffectHost, current_execution, event_payload
from ._ending import BrokeOff, Ending, NeedsRepair, Refused, Returned
from ._registry import RefusingProcessRegistry
from ._vm import Failure, VmFault

_CANCEL_PROMISE = f"{CANCEL_REQUESTED}:1"
_BAD_REQUEST = 400
_REPAIRS = frozenset(
    {
        EffectErrorCode.REPLAY_MISMATCH,
        EffectErrorCode.REPLAY_MISSING,
        EffectErrorCode.PATH_SHARED,
    }
)


class RunningProcess(Protocol):
    """One run of a process's function."""

    def cancel(self, reason: str | None = None) -> None:
        """Ask it to end as cancelled."""
        ...

    async def run(self) -> ProcessAwaitOutput:
        """Run it to its end."""
        ...


class ProcessProgram(Protocol):
    """What there is to run; :class:`~lash_trio.worker.HostedProcesses` is one."""

    def event_types(self, process_id: str, definition: str, args: JsonObject) -> frozenset[str]:
        """The types of events that a process may have.

        Raises:
            PluginError: there is no such definition, or it takes other arguments.
        """
        ...

    def open(
        self,
        process_id: str,
        definition: str,
        args: JsonObject,
        scope: ScopedEffectController,
        registry: ProcessRegistry,
    ) -> RunningProcess:
        """One run of a process, in an opened effect scope."""
        ...


@attrs.frozen
class _Start:
    definition: str
    args: JsonObject


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
            start = _start(attempt.input.body)
            event_types = self.program.event_types(process_id, start.definition, start.args)
        except PluginError as error:
            if error.reason == PluginReason.UNKNOWN_DEFINITION:
                return NeedsRepair(error)
            return _refused(error)
        except WireError as error:
            return _refused(error)
        execution = Execution(attempt=attempt, process_id=process_id, event_types=event_types)
        token = current_execution.set(execution)
        try:
            async with self.host.scoped(EffectScope.process(process_id)) as scope:
                process = self.program.open(
                    process_id, start.definition, start.args, scope, RefusingProcessRegistry()
                )
                output = await _run_until_cancelled(attempt, process)
        finally:
            current_execution.reset(token)
        if isinstance(output, ProcessAwaitOutput):
            return Returned(dumps(output).encode())
        if isinstance(output, EffectError) and output.code in _REPAIRS:
            return NeedsRepair(output)
        return BrokeOff(output)

    async def signal(self, attempt: Attempt) -> Ending:
        """Give a signal its ordinal, whether the process has begun or not."""
        try:
            asked = _object(attempt.input.body)
            event_type = signal_event_type(_text(asked, "name"))
            signal_id = None if asked.get("signal_id") is None else _text(asked, "signal_id")
        except (PluginError, WireError) as error:
            return _refused(error)
        value = _event(asked.get("payload"), signal_id)
        for ordinal in count(1):
            key = f"{event_type}:{ordinal}"
            if await attempt.complete_promise(key, value):
                return _returned({"ordinal": ordinal})
            # The ordinal is taken: maybe by this very signal, sent once more.
            if signal_id is not None and signal_id == _signal_id(await attempt.peek_promise(key)):
                return _returned({"ordinal": ordinal})
        raise AssertionError("there is always another ordinal")

    async def cancel(self, attempt: Attempt) -> Ending:
        """Ask the process to end as cancelled; the first reason stays."""
        try:
            asked = _object(attempt.input.body)
            reason = None if asked.get("reason") is None else _text(asked, "reason")
        except WireError as error:
            return _refused(error)
        is_first = await attempt.complete_promise(_CANCEL_PROMISE, _event({"reason": reason}))
        return _returned({"is_first": is_first})


async def _run_until_cancelled(
    attempt: Attempt, process: RunningProcess
) -> ProcessAwaitOutput | Exception:
    async def watch_requests() -> None:
        payload = event_payload(await attempt.promise(_CANCEL_PROMISE, is_watch=True))
        reason = payload.get("reason") if isinstance(payload, dict) else None
        process.cancel(reason if isinstance(reason, str) else None)

    async def watch_restate() -> None:
        await attempt.cancelled.wait()
        process.cancel("the invocation was cancelled through Restate")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_requests)
        nursery.start_soon(watch_restate)
        try:
            output: ProcessAwaitOutput | Exception = await process.run()
        except Exception as error:  # noqa: BLE001
            # Not in the nursery's group: it stands in the way of this attempt alone.
            output = error
        nursery.cancel_scope.cancel("the process has ended")
    return output


def _start(body: bytes) -> _Start:
    asked = _object(body)
    args = asked.get("args", {})
    if not isinstance(args, dict):
        raise _bad("args", "an object", args)
    return _Start(_text(asked, "definition"), args)


def _object(body: bytes) -> JsonObject:
    try:
        value = parse_json(body.decode())
    except UnicodeDecodeError as error:
        raise WireError(EffectErrorCode.INVALID_JSON, f"expected JSON: {error}") from error
    if not isinstance(value, dict):
        raise WireError(EffectErrorCode.INVALID_JSON, f"expected a JSON object, got {value!r}")
    return value


def _text(asked: JsonObject, name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise _bad(name, "a string", value)
    return value


def _bad(name: str, expected: str, got: JsonValue) -> WireError:
    return WireError(EffectErrorCode.INVALID_JSON, f"expected {expected} as {name!r}, got {got!r}")


def _event(payload: JsonValue, signal_id: str | None = None) -> bytes:
    event: JsonObject = {"payload": payload}
    if signal_id is not None:
        event["signal_id"] = signal_id
    return canonical_json(event).encode()


def _signal_id(event: bytes | None) -> JsonValue:
    value = None if event is None else parse_json(event.decode())
    return value.get("signal_id") if isinstance(value, dict) else None


def _returned(value: JsonObject) -> Returned:
    return Returned(canonical_json(value).encode())


def _refused(error: EffectError) -> Refused:
    return Refused(Failure(code=_BAD_REQUEST, message=str(error)))
