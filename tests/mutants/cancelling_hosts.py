"""Effect hosts that cancel or close wrongly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

from lash_trio import (
    EffectEnvelope,
    EffectError,
    EffectErrorCode,
    EffectOutcome,
    EffectScope,
    InlineEffectController,
)
from lash_trio.abc import EffectHandle, LocalExecution, ScopedEffects

from .base_host import FaultyHandle, FaultyHost, FaultyScope

CLOSED = EffectErrorCode.SCOPE_CLOSED


class HasOneCode(FaultyHost):
    """Ends every cancelled effect with the same code."""

    class scope_class(FaultyScope):  # noqa: N801
        class handle_class(FaultyHandle):  # noqa: N801
            async def result(self) -> EffectOutcome:
                try:
                    return await super().result()
                except EffectError as error:
                    if error.code.endswith("_cancelled"):
                        raise EffectError(EffectErrorCode.CANCELLED, error.message) from None
                    raise


class CancelsNothing(FaultyHost):
    """Ignores that a scope is cancelled."""

    class scope_class(FaultyScope):  # noqa: N801
        def cancel(self, reason: str | None = None) -> None:
            pass


class CancelsOnlyWhatRuns(FaultyHost):
    """Starts effects in a cancelled scope."""

    class scope_class(FaultyScope):  # noqa: N801
        def __init__(self, inner: ScopedEffects, host: FaultyHost) -> None:
            super().__init__(inner, host)
            self.handles: list[EffectHandle] = []

        def start_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectHandle:
            self.handles.append(super().start_effect(envelope, local_executor))
            return self.handles[-1]

        def cancel(self, reason: str | None = None) -> None:
            for handle in self.handles:
                handle.cancel(reason)


class CancelsTheBlock(FaultyHost):
    """Cancels the block of a scope together with its effects."""

    class scope_class(FaultyScope):  # noqa: N801
        block = trio.CancelScope()

        def cancel(self, reason: str | None = None) -> None:
            super().cancel(reason)
            self.block.cancel()

    @asynccontextmanager
    async def scoped(self, scope: EffectScope) -> AsyncIterator[ScopedEffects]:
        async with self.inner.scoped(scope) as inner:
            opened = self.scope_class(inner, self)
            with trio.CancelScope() as opened.block:
                yield opened


class TellsTheLastReason(FaultyHost):
    """Tells the last of several reasons."""

    class scope_class(FaultyScope):  # noqa: N801
        class handle_class(FaultyHandle):  # noqa: N801
            reason: str | None = None

            def cancel(self, reason: str | None = None) -> None:
                self.reason = reason
                super().cancel(reason)

            async def result(self) -> EffectOutcome:
                try:
                    return await super().result()
                except EffectError as error:
                    raise EffectError(error.code, self.reason or error.message) from None


class CancelsSiblings(FaultyHost):
    """Cancels the whole scope with one effect."""

    class scope_class(FaultyScope):  # noqa: N801
        def start_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectHandle:
            scope = self

            class Handle(FaultyHandle):
                def cancel(self, reason: str | None = None) -> None:
                    scope.cancel(reason)

            return Handle(self.inner.start_effect(envelope, local_executor))


class ForgetsOnCancel(FaultyHost):
    """Throws the outcome of an effect away that is cancelled after its end."""

    class scope_class(FaultyScope):  # noqa: N801
        class handle_class(FaultyHandle):  # noqa: N801
            late = False

            def cancel(self, reason: str | None = None) -> None:
                self.late = self.inner.done
                super().cancel(reason)

            async def result(self) -> EffectOutcome:
                if self.late:
                    raise EffectError(EffectErrorCode.CANCELLED, "cancelled, if late")
                return await super().result()


class CancelsOverOutcomes(FaultyHost):
    """Throws a completed outcome away that came after the request to cancel."""

    class scope_class(FaultyScope):  # noqa: N801
        class handle_class(FaultyHandle):  # noqa: N801
            cancelled = False

            def cancel(self, reason: str | None = None) -> None:
                self.cancelled = not self.inner.done
                super().cancel(reason)

            async def result(self) -> EffectOutcome:
                outcome = await super().result()
                if self.cancelled:
                    raise EffectError(EffectErrorCode.CANCELLED, "it was asked for")
                return outcome


class CancelsLater(FaultyHost):
    """Lets an effect begin before it cancels it."""

    class scope_class(FaultyScope):  # noqa: N801
        class handle_class(FaultyHandle):  # noqa: N801
            def cancel(self, reason: str | None = None) -> None:
                trio.lowlevel.spawn_system_task(self.cancel_later, reason)

            async def cancel_later(self, reason: str | None) -> None:
                for _ in range(5):
                    await trio.lowlevel.checkpoint()
                super().cancel(reason)


class CancelsOnLeaving(FaultyHost):
    """Cancels the effects that run when a block is left."""

    @asynccontextmanager
    async def scoped(self, scope: EffectScope) -> AsyncIterator[ScopedEffects]:
        async with super().scoped(scope) as opened:
            yield opened
            opened.cancel("the block was left")


class WrapsExceptions(FaultyHost):
    """Raises what leaves a block in a group."""

    @asynccontextmanager
    async def scoped(self, scope: EffectScope) -> AsyncIterator[ScopedEffects]:
        try:
            async with super().scoped(scope) as opened:
                yield opened
        except ZeroDivisionError as error:
            raise ExceptionGroup("a block was left", [error]) from None


class RunsWhenClosed(FaultyHost):
    """Runs the effects of a scope that is closed."""

    class scope_class(FaultyScope):  # noqa: N801
        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            try:
                return await super().execute_effect(envelope, local_executor)
            except EffectError as error:
                if error.code != CLOSED:
                    raise
                return await InlineEffectController().execute_effect(envelope, local_executor)


class TurnsCancellationIntoErrors(FaultyHost):
    """Raises an error where it is cancelled from outside."""

    class scope_class(FaultyScope):  # noqa: N801
        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            try:
                return await super().execute_effect(envelope, local_executor)
            except trio.Cancelled:
                raise EffectError(EffectErrorCode.CANCELLED, "cancelled") from None


class PrefersRequests(FaultyHost):
    """Lets a requested cancellation win over one from outside."""

    class scope_class(FaultyScope):  # noqa: N801
        requested = False

        def cancel(self, reason: str | None = None) -> None:
            self.requested = True
            super().cancel(reason)

        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            try:
                return await super().execute_effect(envelope, local_executor)
            except trio.Cancelled:
                if not self.requested:
                    raise
                raise EffectError(EffectErrorCode.CANCELLED, "requested") from None


class _Escaped(EffectHandle):
    """An effect in a task that belongs to no scope."""

    def __init__(self, envelope: EffectEnvelope, local_executor: LocalExecution) -> None:
        self.asked = envelope
        self.local_executor = local_executor
        self.ended = trio.Event()
        self.outcomes: list[EffectOutcome] = []
        trio.lowlevel.spawn_system_task(self.run)

    async def run(self) -> None:
        try:
            with suppress(EffectError):
                self.outcomes.append(await self.local_executor.execute(self.asked))
        finally:
            self.ended.set()

    @property
    def envelope(self) -> EffectEnvelope:
        return self.asked

    @property
    def done(self) -> bool:
        return self.ended.is_set()

    async def result(self) -> EffectOutcome:
        await self.ended.wait()
        if self.outcomes:
            return self.outcomes[0]
        raise EffectError("failed", "it failed")

    def cancel(self, reason: str | None = None) -> None:
        self.ended.set()


class LetsEffectsEscape(FaultyHost):
    """Runs effects in tasks that their scope does not own."""

    class scope_class(FaultyScope):  # noqa: N801
        def start_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectHandle:
            return _Escaped(envelope, local_executor)


class RecordsCancellations(FaultyHost):
    """Replays the cancellation of an effect as its outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: set[str] = set()

    class scope_class(FaultyScope):  # noqa: N801
        async def execute_effect(
            self, envelope: EffectEnvelope, local_executor: LocalExecution
        ) -> EffectOutcome:
            recorded = self.host.recorded  # type: ignore[attr-defined]
            if envelope.replay_key in recorded:
                raise EffectError(EffectErrorCode.CANCELLED, "as recorded")
            try:
                return await super().execute_effect(envelope, local_executor)
            except trio.Cancelled:
                recorded.add(envelope.replay_key)
                raise
