"""Code that a model wrote, run in a sandbox.  Needs ``lash-trio[code]``."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("pydantic_monty") is None:
    raise ImportError(
        "lash_trio.turns.code needs pydantic-monty; install it with: pip install 'lash-trio[code]'"
    )

from ._limits import CodeLimits as CodeLimits
from ._sandbox import CodeSandbox as CodeSandbox
