"""Any endpoint that speaks OpenAI's chat-completions protocol.  Needs ``lash-trio[openai]``."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("httpx2") is None:
    raise ImportError(
        "lash_trio.turns.openai needs httpx2; install it with: pip install 'lash-trio[openai]'"
    )

from ._options import (
    OpenAIErrorCode as OpenAIErrorCode,
    OpenAIOptions as OpenAIOptions,
    OutputCapField as OutputCapField,
)
from ._provider import OpenAIProvider as OpenAIProvider
