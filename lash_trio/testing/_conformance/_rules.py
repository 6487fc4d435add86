"""What checks are made of: expectations, and telling which rule is broken."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import trio
from trio.testing import wait_all_tasks_blocked

from ...model import EffectError, PluginError

T = TypeVar("T")

_STUCK_AFTER_SECONDS = 10


def expect(what: str, got: object, expected: object) -> None:
    """Refuse a value that is not the expected one.

    Raises:
        AssertionError: they differ.
    """
    if got != expected:
        raise AssertionError(f"expected {what} to be {expected!r}, got {got!r}")


def expect_that(condition: bool, message: str) -> None:
    """Refuse what is not so.

    Raises:
        AssertionError: with the message, which says what was expected and what came.
    """
    if not condition:
        raise AssertionError(message)


async def expect_refused(what: str, reason: str, call: Awaitable[object]) -> None:
    """Await a call that a registry has to refuse.

    Raises:
        AssertionError: it is not refused, or for another reason.
    """
    try:
        returned = await call
    except PluginError as error:
        expect(f"the reason for refusing {what}", error.reason, str(reason))
    else:
        raise AssertionError(
            f"expected {what} to be refused with the reason {str(reason)!r}, got {returned!r}"
        )


async def expect_error(what: str, code: str, call: Awaitable[object]) -> EffectError:
    """Await a call that has to end with an error; return the error.

    Raises:
        AssertionError: it returns, or the error has another code.
    """
    try:
        returned = await call
    except EffectError as error:
        expect(f"the error code of {what}", error.code, str(code))
        return error
    raise AssertionError(f"expected {what} to end with the error {str(code)!r}, got {returned!r}")


@contextmanager
def named_rule(check: Callable[..., object]) -> Generator[None]:
    """Turn whatever goes wrong inside into an AssertionError that names the rule.

    Args:
        check: its name and the first line of its docstring are the rule.
    """
    try:
        yield
    except Exception as error:
        # Whatever is raised where a rule expects no error breaks the rule.  A
        # cancellation is no Exception, so it passes untouched.
        sentence = (check.__doc__ or "").partition("\n")[0]
        raise AssertionError(
            f"rule {check.__name__!r} is broken ({sentence}): {_story(error)}"
        ) from error


def named_check(body: Callable[[T], Awaitable[None]]) -> Callable[[T], Awaitable[None]]:
    """A check whose every failure names the rule that its docstring states."""

    @functools.wraps(body)
    async def check(subject: T) -> None:
        with named_rule(body):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_tell_if_stuck)
                await body(subject)
                nursery.cancel_scope.cancel()

    return check


async def _tell_if_stuck() -> None:
    """Fail where nothing has happened for long: a check tells, it does not hang."""
    await wait_all_tasks_blocked(cushion=_STUCK_AFTER_SECONDS)
    raise AssertionError(
        "expected every call to end some time, got one that waits for ever: nothing has "
        f"happened for {_STUCK_AFTER_SECONDS} s"
    )


def _story(error: Exception) -> str:
    first = next((leaf for leaf in _leaves(error) if isinstance(leaf, AssertionError)), None)
    if first is not None:
        return str(first)
    leaf = next(_leaves(error))
    return f"expected no error, got {type(leaf).__name__}: {leaf}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, or the error itself: nurseries raise groups."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for part in group.exceptions:
            yield from _leaves(part)
    else:
        yield error
