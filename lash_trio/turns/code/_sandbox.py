"""The sandbox: model-written code in an interpreter that is not ours."""

from __future__ import annotations

import json

import trio

from ...abc import TurnEvents
from ...model import ExecResponse
from ._calls import Calls, Tools
from ._limits import CodeLimits
from ._slices import Printed, Slices
from ._worker import Called, Ended, Failed, Raised, Returned, Slept, Step, Worker

_DEFAULT_THREADS = 8


class CodeSandbox:
    """Runs Python code that nobody has read, in pydantic-monty.

    Monty is an interpreter of its own, for a part of Python, in a process of its own: it
    has no files, no network, no environment and no other modules but those that are
    built into it.  Each run gets a new process, which ends with the run.

    Args:
        limits: how much a run may use.
        limiter: of runs that execute at the same time; else eight.
    """

    def __init__(
        self, limits: CodeLimits | None = None, *, limiter: trio.CapacityLimiter | None = None
    ) -> None:
        self._limits = limits or CodeLimits()
        self._limiter = limiter or trio.CapacityLimiter(_DEFAULT_THREADS)

    async def run(self, code: str, *, tools: Tools, events: TurnEvents) -> ExecResponse:
        """Run code.

        Args:
            code: Python; calls tools as plain functions or awaits them, one at a time.
            tools: async functions by the names that the code calls them by; they run
                here, get JSON, and return JSON.
            events: told of what the code prints, as it prints it.

        Returns:
            What was printed and then the value of the last expression, as
            ``observations``; each call of a tool; why the code was stopped, if it was, as
            ``error``; the value of the last expression, where it is JSON, as
            ``terminal_finish``.

        Raises:
            EffectError: ``code_sandbox_unavailable``, where the interpreter cannot be
                started; and what a tool raises of this kind.

        Always a checkpoint.  Cancelled, a tool ends at once, and code after
        ``slice_seconds`` at the latest; no process and no thread is left.
        """
        printed = Printed(self._limits.output_bytes)
        slices = Slices(printed, events, self._limiter)
        worker = Worker(self._limits, frozenset(tools), slices.print_text)
        started = trio.current_time()
        run = _Run(self._limits, slices, worker, Calls(tools))
        try:
            await slices.run(worker.open)
            step = await run.to_end(code, printed)
        finally:
            with trio.CancelScope(shield=True):
                # Kills the process: a matter of milliseconds.
                await trio.to_thread.run_sync(worker.close)
        value = None
        if isinstance(step, Ended):
            run.observations += _shown(step)
            value = step.value
        return ExecResponse(
            observations=tuple(run.observations),
            tool_calls=tuple(run.calls.records),
            error=step.error if isinstance(step, Failed) else None,
            duration_ms=round((trio.current_time() - started) * 1000),
            terminal_finish=value,
        )


def _shown(ended: Ended) -> list[str]:
    """The value of the last expression, as one who typed the code would see it."""
    if ended.fault is not None:
        return [f"[the value of the last expression is left out: {ended.fault}]"]
    if ended.value is None:
        return []
    if isinstance(ended.value, str):
        return [ended.value]
    return [json.dumps(ended.value, ensure_ascii=False)]


class _Run:
    """One run, from call to call."""

    def __init__(self, limits: CodeLimits, slices: Slices, worker: Worker, calls: Calls) -> None:
        self._limits = limits
        self._slices = slices
        self._worker = worker
        self._sleep_left = limits.sleep_seconds
        self.calls = calls
        self.observations: list[str] = []

    async def to_end(self, code: str, printed: Printed) -> Ended | Failed:
        step: Step = await self._slices.run(lambda: self._worker.start(code))
        while True:
            said = printed.taken()
            if said:
                self.observations.append(said)
            if isinstance(step, Ended | Failed):
                return step
            answer = await self._answer(step)
            if isinstance(answer, Failed):
                return answer
            step = await self._resumed(answer)

    async def _resumed(self, answer: Returned | Raised) -> Step:
        return await self._slices.run(lambda: self._worker.resume(answer))

    async def _answer(self, step: Called | Slept) -> Returned | Raised | Failed:
        if isinstance(step, Slept):
            return await self._sleep(step.seconds)
        if len(self.calls.records) >= self._limits.tool_calls:
            return Failed(error=f"more than {self._limits.tool_calls} calls of tools")
        return await self.calls.run(step)

    async def _sleep(self, seconds: float) -> Returned | Raised:
        # Written so that what is no number is refused, too.
        if not seconds <= self._sleep_left:
            await trio.lowlevel.checkpoint()
            message = f"sleeping is limited to {self._limits.sleep_seconds} seconds in all"
            return Raised(error="TimeoutError", message=message)
        self._sleep_left -= max(seconds, 0.0)
        await trio.sleep(max(seconds, 0.0))
        return Returned(value=None)
