"""How an attempt at an invocation ends, where the server does not end it."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ...model import EffectError
from ._vm import Failure


@attrs.frozen
class Returned:
    """The handler has returned; the invocation is over."""

    value: bytes


@attrs.frozen
class Refused:
    """The handler refuses its argument; the invocation is over."""

    failure: Failure


@attrs.frozen
class NeedsRepair:
    """The invocation waits until somebody has repaired its code."""

    error: EffectError


@attrs.frozen
class BrokeOff:
    """The attempt has failed; the server tries again."""

    error: Exception


Ending: TypeAlias = "Returned | Refused | NeedsRepair | BrokeOff"
