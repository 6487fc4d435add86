"""The short way to a runtime: everything in memory unless told otherwise."""

from __future__ import annotations

from .abc import EffectHost, ProcessRegistry
from .kernel import InlineEffectHost
from .stores.memory import MemoryProcessRegistry
from .worker import ProcessDefinitions, Runtime, RuntimeParts, WorkerOptions


def open_runtime(
    definitions: ProcessDefinitions,
    registry: ProcessRegistry | None = None,
    *,
    host: EffectHost | None = None,
    worker: WorkerOptions | None = None,
    host_profile_id: str = "default",
) -> Runtime:
    """A runtime in memory, unless told otherwise.

    Args:
        definitions: what can be started and run.
        registry: keeps the processes; in memory where None.
        host: opens their effect scopes; inline where None.
        worker: how its worker works.
        host_profile_id: names this configuration in the provenance of processes.

    Returns:
        What to use as ``async with open_runtime(definitions) as runtime:``.
    """
    return Runtime(
        definitions,
        RuntimeParts(
            registry=MemoryProcessRegistry() if registry is None else registry,
            host=InlineEffectHost() if host is None else host,
            worker=WorkerOptions() if worker is None else worker,
            host_profile_id=host_profile_id,
        ),
    )
