"""One effect: its cancel scope, its life, and the handle to it."""

from __future__ import annotations

from types import TracebackType

import trio

from ..abc import EffectController, EffectHandle, LocalExecution
from ..model import (
    EFFECT_TRANSITIONS,
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectKind,
    EffectOutcome,
    EffectSignal,
    EffectState,
)

_CANCELLED_CODES = {
    EffectKind.SLEEP: EffectErrorCode.SLEEP_CANCELLED,
    EffectKind.AWAIT_EVENT: EffectErrorCode.AWAIT_EVENT_CANCELLED,
}


def cancelled_error(envelope: EffectEnvelope, reason: str | None) -> EffectError:
    """The error with which an effect ends that was cancelled by request."""
    kind = envelope.command.kind
    return EffectError(
        _CANCELLED_CODES.get(kind, EffectErrorCode.CANCELLED),
        f"the {kind} effect {envelope.effect_id!r} was cancelled: {reason or 'no reason was given'}",
    )


def scope_closed_error(scope_id: str, envelope: EffectEnvelope) -> EffectError:
    """The error of an effect for which there is no open scope."""
    return EffectError(
        EffectErrorCode.SCOPE_CLOSED,
        f"the {envelope.command.kind} effect {envelope.effect_id!r} needs the scope {scope_id!r} "
        "to be open, but its block has not been entered, has been left, or is being cancelled "
        "from outside; ask for effects inside the block, and leave it when they have ended",
    )


class EffectRun:
    """One effect while it runs.

    Its cancel scope is the only thing that a requested cancellation touches, so
    trio itself decides between the two kinds: a cancel scope does not catch a
    cancellation that comes from further out.
    """

    __slots__ = ("_abandoned", "_cancel_scope", "_reason", "_scope_id", "envelope", "state")

    def __init__(self, envelope: EffectEnvelope, scope_id: str) -> None:
        self.envelope: EffectEnvelope = envelope
        self.state: EffectState = EffectState.RUNNING
        self._scope_id = scope_id
        self._cancel_scope = trio.CancelScope()
        self._reason: str | None = None
        self._abandoned = False

    def cancel(self, reason: str | None) -> None:
        """Ask it to end; the first reason stays."""
        if self.state is EffectState.RUNNING:
            self._reason = reason
            self._cancel_scope.cancel(reason)
        self._advance(EffectSignal.CANCEL_REQUESTED)

    def abandon(self) -> None:
        """End it because its scope is left while another task still runs it."""
        self._abandoned = True
        self._cancel_scope.cancel("the scope of the effect was left")

    def never_begin(self) -> None:
        """End it before it began, without an outcome."""
        self._advance(EffectSignal.UNWOUND)

    async def execute(
        self, controller: EffectController, local_executor: LocalExecution
    ) -> EffectOutcome:
        """Run it in this task.

        Raises:
            EffectError: its own failure, or that it was cancelled by request.
        """
        # What it returned in an earlier run it returns again, also where its scope was
        # cancelled: the code that asks comes to where it was, and is told there.
        is_recorded = self._cancel_scope.cancel_called and controller.is_recorded(self.envelope)
        try:
            with trio.CancelScope() if is_recorded else self._cancel_scope:
                # Cancelled before it began: the controller is not even asked, since
                # it might do something before its first checkpoint.
                await trio.lowlevel.checkpoint_if_cancelled()
                outcome = await controller.execute_effect(self.envelope, local_executor)
                self._advance(EffectSignal.RETURNED)
                return outcome
        except Exception:
            self._advance(EffectSignal.RAISED)
            raise
        except BaseException:
            # A cancellation from outside, or the end of the program.
            self._advance(EffectSignal.UNWOUND)
            raise
        if self._abandoned:
            self._advance(EffectSignal.UNWOUND)
            raise scope_closed_error(self._scope_id, self.envelope)
        self._advance(EffectSignal.CANCEL_CAUGHT)
        raise cancelled_error(self.envelope, self._reason)

    def _advance(self, signal: EffectSignal) -> None:
        self.state = EFFECT_TRANSITIONS[self.state, signal]


class StartedEffect(EffectHandle):
    """An effect in the scope's nursery, and the handle to it.

    Made by :meth:`ScopedEffectController.start_effect`.
    """

    def __init__(self, run: EffectRun, scope_id: str) -> None:
        self._run = run
        self._scope_id = scope_id
        self._done = trio.Event()
        self._outcome: EffectOutcome | None = None
        self._failure: Exception | None = None
        self._traceback: TracebackType | None = None

    def __repr__(self) -> str:
        return f"<effect {self._run.envelope.effect_id!r} {self._run.state.name.lower()}>"

    @property
    def envelope(self) -> EffectEnvelope:
        """What was asked for."""
        return self._run.envelope

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._done.is_set()

    async def result(self) -> EffectOutcome:
        """Wait for the outcome; see :meth:`lash_trio.abc.EffectHandle.result`."""
        await self._done.wait()
        if self._outcome is not None:
            return self._outcome
        if self._failure is not None:
            # From where it was raised: each reader would lengthen the traceback.
            raise self._failure.with_traceback(self._traceback)
        raise scope_closed_error(self._scope_id, self._run.envelope)

    def cancel(self, reason: str | None = None) -> None:
        """Ask it to end; see :meth:`lash_trio.abc.EffectHandle.cancel`."""
        self._run.cancel(reason)

    def never_begin(self) -> None:
        """End it before it began, without an outcome."""
        self._run.never_begin()
        self._done.set()

    async def run(self, controller: EffectController, local_executor: LocalExecution) -> None:
        """Run it, as a task of the scope's nursery."""
        try:
            self._outcome = await self._run.execute(controller, local_executor)
        except Exception as failure:  # noqa: BLE001
            # The failure belongs to who asks for the result; siblings go on.
            self._fail(failure)
        except BaseExceptionGroup as group:
            # A nursery inside the effect has failed and was cancelled from outside,
            # both at once: the failure stays here, the cancellation goes on.
            failures, others = group.split(Exception)
            if failures is not None:
                self._fail(failures)
            if others is not None:
                raise others from None
        finally:
            self._done.set()

    def _fail(self, failure: Exception) -> None:
        self._failure = failure
        self._traceback = failure.__traceback__
