"""The rule of unknown processes, for every method of the port."""

from __future__ import annotations

from collections.abc import Awaitable

import attrs

from ...model import PluginReason
from ._methods import AWAIT_PROCESS, READS, WRITES, prepare
from ._registry_bench import ELSEWHERE, RegistryBench, registry_check
from ._rules import expect, expect_refused


@registry_check
async def an_unknown_process_is_told(bench: RegistryBench) -> None:
    """Every method that needs a process refuses one that nobody registered."""
    target = await prepare(bench.registry)
    lease = attrs.evolve(target.lease, process_id="nobody")
    nobody = attrs.evolve(target, process_id="nobody", lease=lease)
    async with bench.calls() as calls:
        for name, invoke in {**WRITES, **READS, **AWAIT_PROCESS}.items():
            call = calls.start(invoke, bench.registry, nobody)
            served: Awaitable[object] = calls.served(f"{name} of 'nobody'", call)
            await expect_refused(f"{name} of 'nobody'", PluginReason.UNKNOWN_PROCESS, served)
    expect("get_process of 'nobody'", await bench.registry.get_process("nobody"), None)
    seen = await bench.registry.list_handle_grants(ELSEWHERE)
    expect("what a scope without grants sees", seen, [])


CHECKS = (an_unknown_process_is_told,)
