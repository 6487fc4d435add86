"""``{"Ok": ...}`` or ``{"Err": ...}``: a result or an error as data."""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

import attrs

ValueT = TypeVar("ValueT")
ErrorT = TypeVar("ErrorT")


@attrs.frozen
class Ok(Generic[ValueT]):
    """A recorded success."""

    value: ValueT


@attrs.frozen
class Err(Generic[ErrorT]):
    """A recorded error."""

    error: ErrorT


Result: TypeAlias = Ok[ValueT] | Err[ErrorT]


@attrs.frozen(kw_only=True)
class EffectFailure:
    """An :class:`~lash_trio.EffectError` as data.

    Args:
        code: as of the error.
        message: as of the error.
        details: what its class has beside them.
    """

    code: str
    message: str
    details: dict[str, str] | None = None
