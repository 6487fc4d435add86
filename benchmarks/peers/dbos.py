"""DBOS's part: ``python -m benchmarks.peers.dbos MEASURE DB [--quick]``."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import sys
import time
from pathlib import Path

from dbos import DBOS, SetWorkflowID

from ._plan import QUICK, Plan

now = time.perf_counter
woken: list[float] = []


@DBOS.step()
async def nothing(number: int) -> int:
    return number


@DBOS.step()
async def passed(gate: str) -> bool:
    while not Path(gate).exists():
        await asyncio.sleep(0.05)
    return True


@DBOS.workflow()
async def sequence(steps: int) -> int:
    for number in range(steps):
        await nothing(number)
    return steps


@DBOS.workflow()
async def timed(steps: int) -> float:
    started = now()
    for number in range(steps):
        await nothing(number)
    return (now() - started) * 1000 / steps


@DBOS.workflow()
async def listener(signals: int) -> int:
    for _ in range(signals):
        await DBOS.recv_async("go", timeout_seconds=60)
        woken.append(now())
    return signals


@DBOS.workflow()
async def held(gate: str) -> str:
    await nothing(1)
    await passed(gate)
    await nothing(2)
    return "done"


async def step(plan: Plan) -> float:
    handle = await DBOS.start_workflow_async(timed, plan.steps)
    return float(await handle.get_result())


async def concurrent(plan: Plan) -> float:
    started = now()
    handles = [
        await DBOS.start_workflow_async(sequence, plan.steps_each) for _ in range(plan.processes)
    ]
    for handle in handles:
        await handle.get_result()
    return plan.processes * plan.steps_each / (now() - started)


async def signalled(plan: Plan) -> float:
    latencies: list[float] = []
    handle = await DBOS.start_workflow_async(listener, plan.signals)
    for number in range(plan.signals):
        await asyncio.sleep(0.2)
        sent = now()
        await DBOS.send_async(handle.workflow_id, number, topic="go")
        while len(woken) <= number:
            await asyncio.sleep(0.0005)
        latencies.append((woken[number] - sent) * 1000)
    await handle.get_result()
    return statistics.median(latencies)


async def be_killed(plan: Plan, gate: str) -> None:
    for number in range(plan.recovered):
        with SetWorkflowID(f"held-{number}"):
            await DBOS.start_workflow_async(held, gate)
    await asyncio.sleep(3)
    os.kill(os.getpid(), signal.SIGKILL)


async def recover(plan: Plan) -> None:
    for number in range(plan.recovered):
        handle = await DBOS.retrieve_workflow_async(f"held-{number}")
        assert await handle.get_result() == "done"


async def main(measure: str, db: str, plan: Plan) -> None:
    DBOS(
        config={
            "name": "peers",
            "system_database_url": f"sqlite:///{db}",
            "log_level": "ERROR",
            "application_version": "1",
        }
    )
    DBOS.launch()
    figure = 0.0
    match measure:
        case "step":
            figure = await step(plan)
        case "concurrent":
            figure = await concurrent(plan)
        case "signal":
            figure = await signalled(plan)
        case "killed":
            await be_killed(plan, f"{db}.gate")
        case _:
            await recover(plan)
    print(json.dumps(figure), flush=True)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], QUICK if "--quick" in sys.argv else Plan()))
