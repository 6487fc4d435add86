"""Artifacts: what durable rows refer to by a string."""

from __future__ import annotations

import hashlib

from ._errors import InvalidValueError


def artifact_reference(kind: str, data: bytes) -> str:
    """What names an artifact: its kind, and the SHA-256 of its bytes, in hex.

    Raises:
        InvalidValueError: the kind is blank.
    """
    if not kind.strip():
        raise InvalidValueError(
            f"an artifact needs a kind that is not blank, for example 'execution_env'; got {kind!r}"
        )
    return f"{kind}:sha256:{hashlib.sha256(data).hexdigest()}"
