"""Processes on a Restate server.  Needs ``lash-trio[restate]``."""

from __future__ import annotations

from importlib.util import find_spec

if any(find_spec(name) is None for name in ("restate", "h2", "httpx2")):
    raise ImportError(
        "lash_trio.engines.restate needs restate-sdk, h2 and httpx2; install them with: "
        "pip install 'lash-trio[restate]'"
    )

from ._client import RestateProcessRegistry as RestateProcessRegistry
from ._client_options import RestateRegistryOptions as RestateRegistryOptions
from ._controller import (
    OUTSIDE_HANDLER as OUTSIDE_HANDLER,
    RestateEffectController as RestateEffectController,
    RestateEffectHost as RestateEffectHost,
)
from ._discovery import PROCESS_SERVICE as PROCESS_SERVICE
from ._endpoint import RestateEndpoint as RestateEndpoint
from ._options import RestateOptions as RestateOptions
from ._parking import ParkingRegistry as ParkingRegistry
from ._program import ProcessProgram as ProcessProgram, RunningProcess as RunningProcess
