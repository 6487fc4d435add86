"""The interpreter: a process of its own, driven from call to call.  Everything here blocks."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self, TypeAlias, cast

import attrs
from pydantic_monty import (
    ExternalSettledResult,
    FunctionSnapshot,
    FutureSnapshot,
    Monty,
    MontyComplete,
    MontyConversionError,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySession,
    MontySyntaxError,
    NameLookupSnapshot,
)

from ...model import EffectError, JsonObject, JsonValue
from ._limits import CodeLimits
from ._values import NotPlain, plain

_ERROR_LENGTH = 4_000
# How much longer than allowed the interpreter may take before its process is killed.
_GRACE_SECONDS = 1.0

_Snapshot: TypeAlias = FunctionSnapshot | NameLookupSnapshot | FutureSnapshot | MontyComplete
ErrorName: TypeAlias = Literal["NameError", "RuntimeError", "TimeoutError", "TypeError"]


def _no_arguments() -> JsonObject:
    return {}


@attrs.frozen(kw_only=True)
class Called:
    """The code has called a function that is not its own.

    Args:
        name: of the function.
        args: as they were given.
        kwargs: as they were given.
        fault: what is wrong with them, in which case they are not here.
    """

    name: str
    args: tuple[JsonValue, ...] = ()
    kwargs: JsonObject = attrs.field(factory=_no_arguments)
    fault: str | None = None


@attrs.frozen(kw_only=True)
class Slept:
    """The code wants to sleep."""

    seconds: float


@attrs.frozen(kw_only=True)
class Ended:
    """The code is done.

    Args:
        value: of its last expression.
        fault: why that value is not here.
    """

    value: JsonValue = None
    fault: str | None = None


@attrs.frozen(kw_only=True)
class Failed:
    """The code was stopped, by an error of its own or by a limit."""

    error: str


Step: TypeAlias = Called | Slept | Ended | Failed


@attrs.frozen(kw_only=True)
class Returned:
    """What a call returns to the code."""

    value: JsonValue


@attrs.frozen(kw_only=True)
class Raised:
    """What a call raises in the code."""

    error: ErrorName
    message: str


class Worker:
    """One run in one process.

    Args:
        limits: for the run.
        names: of the functions that the code may call.
        print_text: told of what is printed, in the thread that drives the worker.
    """

    def __init__(
        self, limits: CodeLimits, names: frozenset[str], print_text: Callable[[str], None]
    ) -> None:
        self._limits = limits
        self._names = names
        self._print_text = print_text
        self._pool: Monty | None = None
        self._session: MontySession | None = None
        self._waiting: FunctionSnapshot | None = None

    def open(self) -> Self:
        """Start the process.

        Raises:
            EffectError: ``code_sandbox_unavailable``: there is no process to be had.
        """
        limits = self._limits
        try:
            self._pool = Monty(
                max_processes=1,
                request_timeout=limits.slice_seconds + 2 * _GRACE_SECONDS,
                feed_duration_limit_grace=_GRACE_SECONDS,
                turn_duration_limit_grace=_GRACE_SECONDS,
            ).__enter__()
            self._session = self._pool.checkout(
                limits={
                    "max_memory": limits.memory_bytes,
                    "max_feed_duration_secs": limits.run_seconds,
                    "max_turn_duration_secs": limits.slice_seconds,
                    "max_recursion_depth": limits.recursion_depth,
                    # A call takes one, two where it is awaited, and one for its name.
                    "max_suspensions": 3 * limits.tool_calls + 1000,
                },
                os_policy={"sleep": "call_host"},
            ).__enter__()
        except (MontyError, RuntimeError, OSError) as error:
            raise EffectError(
                "code_sandbox_unavailable", f"the sandbox cannot be started: {error}"
            ) from error
        return self

    def close(self) -> None:
        """End the process, whatever it does."""
        nothing: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
        nothing = (None, None, None)
        if self._session is not None:
            self._session.__exit__(*nothing)
        if self._pool is not None:
            self._pool.__exit__(*nothing)

    def start(self, code: str) -> Step:
        """Run the code up to its first call or its end."""
        session = self._session
        if session is None:
            raise RuntimeError("start() comes after open()")
        return self._stepped(
            lambda: session.feed_start(code, print_callback=lambda _, text: self._print_text(text))
        )

    def resume(self, answer: Returned | Raised) -> Step:
        """Answer the call that the code waits for, and run it up to the next one."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            raise RuntimeError("resume() answers a call, and there is none")
        return self._stepped(lambda: _answered(waiting, answer))

    def _stepped(self, go_on: Callable[[], _Snapshot]) -> Step:
        try:
            snapshot = go_on()
            while True:
                step, snapshot = self._looked_at(snapshot)
                if step is not None:
                    return step
        except (MontySyntaxError, MontyRuntimeError) as error:
            return Failed(error=cut(error.display()))
        except MontyCrashedError as error:
            # The process is gone: a limit that had to be enforced from outside, or a
            # fault of the interpreter.  Ours is unharmed.
            return Failed(error=cut(f"the sandbox was ended: {error}"))
        except (MontyError, ValueError) as error:
            return Failed(error=cut(f"a value cannot leave the sandbox: {error}"))

    def _looked_at(self, snapshot: _Snapshot) -> tuple[Step | None, _Snapshot]:
        """What the code has come to; or, where nobody has to be asked, what comes next."""
        match snapshot:
            case MontyComplete():
                return self._ended(snapshot), snapshot
            case NameLookupSnapshot():
                return None, self._name(snapshot)
            case FutureSnapshot():
                # Answered where the call is; nothing else may be waited for.
                nothing = _settled(Raised(error="RuntimeError", message="nothing to wait for"))
                return None, snapshot.resume(dict.fromkeys(snapshot.pending_call_ids, nothing))
            case FunctionSnapshot():
                return self._function(snapshot)

    def _ended(self, snapshot: MontyComplete) -> Ended:
        try:
            return Ended(value=plain(snapshot.output, self._limits.value_bytes))
        except (NotPlain, MontyConversionError, ValueError) as error:
            return Ended(fault=str(error))

    def _called(self, name: str, snapshot: FunctionSnapshot) -> Called:
        try:
            # Both against one limit.
            given = plain([snapshot.args, snapshot.kwargs], self._limits.value_bytes)
        except (NotPlain, MontyConversionError, ValueError) as error:
            return Called(name=name, fault=str(error))
        args, kwargs = cast("tuple[list[JsonValue], JsonObject]", given)
        return Called(name=name, args=tuple(args), kwargs=kwargs)

    def _name(self, snapshot: NameLookupSnapshot) -> _Snapshot:
        name = snapshot.variable_name
        if snapshot.object_id is None and name in self._names:
            return snapshot.resume(value=_function_named(name))
        return snapshot.resume()

    def _function(self, snapshot: FunctionSnapshot) -> tuple[Step | None, _Snapshot]:
        name = str(snapshot.function_name)
        if not snapshot.is_os_function:
            if name not in self._names:
                unknown = Raised(error="NameError", message=f"name {name!r} is not defined")
                return None, _answered(snapshot, unknown)
            self._waiting = snapshot
            return self._called(name, snapshot), snapshot
        if name in {"time.sleep", "asyncio.sleep"}:
            self._waiting = snapshot
            return Slept(seconds=float(snapshot.args[0])), snapshot
        # Files, the environment, modules that are not there: the interpreter says no.
        return None, snapshot.resume_not_handled()


def _settled(answer: Returned | Raised) -> ExternalSettledResult:
    if isinstance(answer, Returned):
        return {"return_value": answer.value}
    return {"exc_type": answer.error, "message": answer.message}


def _answered(snapshot: FunctionSnapshot, answer: Returned | Raised) -> _Snapshot:
    if not snapshot.allow_eager_await:
        return snapshot.resume(_settled(answer))
    # The code awaits the call: it wants something to await first.
    pending = snapshot.resume({"future": ...})
    if isinstance(pending, FutureSnapshot):
        return pending.resume({snapshot.call_id: _settled(answer)})
    return pending


def _function_named(name: str) -> Callable[[], None]:
    def function() -> None:
        """Stands for a tool inside the sandbox, by its name."""

    function.__name__ = name
    return function


def cut(text: str) -> str:
    """The beginning and the end of a text that is too long."""
    if len(text) <= _ERROR_LENGTH:
        return text
    half = _ERROR_LENGTH // 2
    return f"{text[:half]}\n...\n{text[-half:]}"
