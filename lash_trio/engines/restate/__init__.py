"""Processes on a Restate server.  Needs ``lash-trio[restate]``."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("restate") is None or find_spec("h2") is None:
    raise ImportError(
        "lash_trio.engines.restate needs restate-sdk and h2; install them with: "
        "pip install 'lash-trio[restate]'"
    )

from ._controller import (
    OUTSIDE_HANDLER as OUTSIDE_HANDLER,
    RestateEffectController as RestateEffectController,
    RestateEffectHost as RestateEffectHost,
)
from ._discovery import PROCESS_SERVICE as PROCESS_SERVICE
from ._endpoint import RestateEndpoint as RestateEndpoint
from ._options import RestateOptions as RestateOptions
from ._process import ProcessProgram as ProcessProgram, RunningProcess as RunningProcess
