"""The examples, unchanged, in memory, on SQLite and on Restate: the same results and logs."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import attrs
import pytest
import trio

from lash_trio import (
    EffectScope,
    InlineEffectHost,
    JsonValue,
    LlmMessage,
    LlmRole,
    ProcessContext,
    ProcessDefinitions,
    ProcessHandle,
    Runtime,
    from_json,
    open_runtime,
    to_json,
)
from lash_trio.abc import EffectHost
from lash_trio.cli._load import load_definitions
from lash_trio.engines.restate import RestateEffectHost
from lash_trio.model import ProcessEvent, SignalWait, WaitState
from lash_trio.stores.sqlite import open_sqlite
from lash_trio.turns import ScriptedProvider, ToolLoop
from tests.engines.restate_server.server import RestateServer
from tests.engines.restate_server.support import SOON_PARKED, serving_with_registry

EXAMPLES = Path(__file__).resolve().parent.parent.parent.parent / "examples"

# What no two runs have in common; of all else not a byte may differ.
CHANCE = frozenset({"occurred_at_ms", "since_ms", "due_at_ms", "tracking", "traceback"})

Opened: TypeAlias = Callable[[ProcessDefinitions], AbstractAsyncContextManager[Runtime]]


@attrs.frozen
class Told:
    """How a process ended, and the logs of it and its children."""

    output: JsonValue
    logs: dict[str, list[JsonValue]]


@asynccontextmanager
async def in_memory(definitions: ProcessDefinitions) -> AsyncGenerator[Runtime, None]:
    async with open_runtime(definitions) as runtime:
        yield runtime


def on_sqlite(path: Path) -> Opened:
    @asynccontextmanager
    async def opened(definitions: ProcessDefinitions) -> AsyncGenerator[Runtime, None]:
        async with (
            open_sqlite(path) as stores,
            open_runtime(definitions, stores.registry, host=stores.host()) as runtime,
        ):
            yield runtime

    return opened


def on_restate(server: RestateServer) -> Opened:
    @asynccontextmanager
    async def opened(definitions: ProcessDefinitions) -> AsyncGenerator[Runtime, None]:
        async with (
            serving_with_registry(server, definitions, SOON_PARKED) as (_, registry),
            open_runtime(definitions, registry) as runtime,
        ):
            yield runtime

    return opened


@attrs.frozen(kw_only=True)
class Scenario:
    """One example, and what is done to it.

    Args:
        name: of the definition, in the file of the same name.
        args: of the process.
        signal: is waited for; the process is cancelled then where there is no payload.
        payload: of the signal.
        child: the end of the id of the process that it starts.
        log: the types of its events, without the prefix of the core types.
    """

    name: str
    args: dict[str, JsonValue]
    signal: str
    payload: JsonValue = None
    child: str | None = None
    log: list[str]


SLEPT = ["waiting", "resumed"]
SCENARIOS = {
    "approved-order": Scenario(
        name="order",
        args={"sku": "oak-table"},
        signal="approved",
        payload={"by": "me"},
        child="/start:ship#1",
        log=[*SLEPT, "waiting", "signal.approved", "resumed", *SLEPT, "completed"],
    ),
    "cancelled-order": Scenario(
        name="order",
        args={"sku": "oak-table"},
        signal="approved",
        log=[*SLEPT, "waiting", "cancel_requested", "resumed", "cancelled"],
    ),
    "impatient-order": Scenario(
        name="order",
        args={"sku": "pine-stool", "patience_seconds": 0.3},
        signal="nothing",
        log=[*SLEPT, *SLEPT, "completed"],
    ),
    "impossible-order": Scenario(
        name="order", args={"sku": "moon"}, signal="nothing", log=["failed"]
    ),
    "manifest": Scenario(
        name="manifest",
        args={"directory": "docs", "limit": 3},
        signal="approve",
        payload={"by": "me"},
        log=[
            "manifest.listed",
            "manifest.hashed",
            "waiting",
            "signal.approve",
            "resumed",
            "completed",
        ],
    ),
    "cancelled-manifest": Scenario(
        name="manifest",
        args={"directory": "docs"},
        signal="approve",
        log=[
            "manifest.listed",
            "manifest.hashed",
            "waiting",
            "cancel_requested",
            "resumed",
            "cancelled",
        ],
    ),
}


def without_chance(value: JsonValue) -> JsonValue:
    match value:
        case dict():
            return {
                name: "*" if name in CHANCE and inner is not None else without_chance(inner)
                for name, inner in value.items()
            }
        case list():
            return [without_chance(inner) for inner in value]
        case _:
            return value


async def follow(opened: Opened, scenario: Scenario, process_id: str) -> Told:
    definitions = load_definitions(EXAMPLES / f"{scenario.name}.py", scenario.name)
    with trio.fail_after(60):
        async with opened(definitions) as runtime:
            handle = await runtime.start(scenario.name, scenario.args, id=process_id)
            async for event in handle.events():
                if not waits_for(event, scenario.signal):
                    continue
                if scenario.payload is None:
                    await handle.cancel("enough")
                else:
                    await handle.signal(scenario.signal, scenario.payload)
            output = to_json(await handle.output())
            logs = {process_id: await log_of(handle)}
            if scenario.child is not None:
                child = await runtime.get(process_id + scenario.child)
                logs[child.id] = await log_of(child)
    return Told(without_chance(output), logs)


async def log_of(handle: ProcessHandle) -> list[JsonValue]:
    return [without_chance(to_json(event)) async for event in handle.events()]


def waits_for(event: ProcessEvent, signal: str) -> bool:
    """Whether a process has begun to wait for a signal."""
    if event.event_type != "process.waiting":
        return False
    assert isinstance(event.payload, dict)
    kind = from_json(WaitState, event.payload["wait"]).kind
    return isinstance(kind, SignalWait) and kind.name == signal


def event_type(event: JsonValue) -> str:
    assert isinstance(event, dict)
    return str(event["event_type"]).removeprefix("process.")


@pytest.mark.parametrize("name", SCENARIOS)
async def test_an_example_is_the_same_everywhere(
    server: RestateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(EXAMPLES.parent)
    places = (in_memory, on_sqlite(tmp_path / "work.db"), on_restate(server))
    told = [await follow(opened, SCENARIOS[name], f"three-{name}") for opened in places]
    assert [event_type(event) for event in told[0].logs[f"three-{name}"]] == SCENARIOS[name].log
    for logs in (each.logs for each in told):
        assert len(logs) == (1 if SCENARIOS[name].child is None else 2)
    assert told[1] == told[0]
    assert told[2] == told[0]


def load_example(name: str) -> ModuleType:
    """An example that is a program of its own."""
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


async def ask_the_assistant(host: EffectHost, opened: Opened) -> JsonValue:
    """Have a process answer with a turn, tool call and all; returns what the turn came to."""
    assistant = load_example("assistant")
    loop = ToolLoop(
        provider=ScriptedProvider(assistant.script), model="scripted", tools=assistant.tools
    )
    definitions = ProcessDefinitions()

    @definitions.process("answer")
    async def answer(ctx: ProcessContext, text: str) -> JsonValue:
        turn = EffectScope.turn(ctx.process_id, "turn-1")
        async with host.scoped(turn) as scope:
            result = await loop.run(scope, [LlmMessage.text(LlmRole.USER, text)])
        return to_json(result)

    with trio.fail_after(60):
        async with opened(definitions) as runtime:
            handle = await runtime.start("answer", {"text": "note: buy bread"}, id="turn-1")
            result = await handle.result()
    assert list(assistant.notes.values()) == ["buy bread"]
    return without_chance(result)


async def test_a_turn_of_the_assistant_is_the_same_in_a_process_everywhere(
    server: RestateServer, tmp_path: Path
) -> None:
    async with open_sqlite(tmp_path / "turns.db") as stores:
        places = {
            InlineEffectHost(): in_memory,
            stores.host(): on_sqlite(tmp_path / "work.db"),
            RestateEffectHost(): on_restate(server),
        }
        told = [await ask_the_assistant(host, opened) for host, opened in places.items()]
    assert "Done: kept 'buy bread'." in str(told[0])
    assert told[1] == told[0]
    assert told[2] == told[0]
