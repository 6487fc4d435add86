"""Effect outcomes: what came of a command.  Tagged by ``type``."""

from __future__ import annotations

from typing import ClassVar, TypeVar

import attrs

from ._errors import EffectError, EffectErrorCode
from ._invocation import EffectKind
from ._json import JsonValue
from ._process_command import ProcessEffectOutcome

OutcomeT = TypeVar("OutcomeT", bound="EffectOutcome")


class EffectOutcome:
    """What came of an effect."""

    __slots__ = ()
    tag_name: ClassVar[str] = "type"
    tag: ClassVar[str]
    kind: ClassVar[EffectKind]

    def expect(self, outcome_class: type[OutcomeT]) -> OutcomeT:
        """This outcome, as the class that it should be of.

        Raises:
            EffectError: code ``runtime_effect_wrong_outcome``, where it is another.
        """
        if isinstance(self, outcome_class):
            return self
        raise EffectError(
            EffectErrorCode.WRONG_OUTCOME,
            f"expected the outcome of a {outcome_class.kind} effect, got one of a {self.kind} effect",
        )


@attrs.frozen(kw_only=True)
class ProcessOutcome(EffectOutcome):
    """What came of a process command."""

    tag: ClassVar[str] = "process"
    kind: ClassVar[EffectKind] = EffectKind.PROCESS
    result: ProcessEffectOutcome


@attrs.frozen(kw_only=True)
class SleepOutcome(EffectOutcome):
    """The time has passed."""

    tag: ClassVar[str] = "sleep"
    kind: ClassVar[EffectKind] = EffectKind.SLEEP


SLEPT = SleepOutcome()
"""The one outcome of every sleep."""


@attrs.frozen(kw_only=True)
class AwaitEventOutcome(EffectOutcome):
    """The payload of the event; or, with ``timed_out``, that it did not come in time."""

    tag: ClassVar[str] = "await_event"
    kind: ClassVar[EffectKind] = EffectKind.AWAIT_EVENT
    payload: JsonValue
    timed_out: bool = attrs.field(default=False, metadata={"omit_default": True})


@attrs.frozen(kw_only=True)
class DurableStepOutcome(EffectOutcome):
    """What the function of a step returned."""

    tag: ClassVar[str] = "durable_step"
    kind: ClassVar[EffectKind] = EffectKind.DURABLE_STEP
    value: JsonValue
