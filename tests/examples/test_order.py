"""The order example, on the mock clock; and the commands of the examples' README."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from lash_trio import InlineEffectHost, ProcessDefinitions, ProcessFailedError, open_runtime
from lash_trio.cli._load import load_definitions
from tests.cli.support import TIMEOUT_SECONDS, environment
from tests.examples.support import StepController

CHECKOUT = Path(__file__).resolve().parent.parent.parent
README = CHECKOUT / "examples" / "README.md"


@pytest.fixture(scope="module")
def definitions() -> ProcessDefinitions:
    return load_definitions(CHECKOUT / "examples" / "order.py", "order")


async def test_an_approved_order(
    definitions: ProcessDefinitions, autojump_clock: MockClock
) -> None:
    async with open_runtime(definitions) as runtime:
        handle = await runtime.start("order", {"sku": "oak-table"})
        await trio.sleep(60)
        await handle.signal("approved", {"by": "me"})
        value = await handle.result()
    assert isinstance(value, dict)
    assert (value["price"], value["by"]) == (240, "me")
    assert isinstance(value["parcel"], dict)
    assert value["parcel"]["sku"] == "oak-table"


async def test_patience_ends(definitions: ProcessDefinitions, autojump_clock: MockClock) -> None:
    async with open_runtime(definitions) as runtime:
        began_at = trio.current_time()
        handle = await runtime.start("order", {"sku": "pine-stool"})
        assert await handle.result() == {"price": 35, "by": None, "parcel": None}
        assert trio.current_time() - began_at > 3600


async def test_an_unknown_sku(definitions: ProcessDefinitions, autojump_clock: MockClock) -> None:
    async with open_runtime(definitions) as runtime:
        handle = await runtime.start("order", {"sku": "moon"})
        with pytest.raises(ProcessFailedError, match="try one of oak-table, pine-stool"):
            await handle.result()


async def charged_key(definitions: ProcessDefinitions, process_id: str) -> str:
    controller = StepController()
    async with open_runtime(definitions, host=InlineEffectHost(controller)) as runtime:
        handle = await runtime.start("order", {"sku": "oak-table"}, id=process_id)
        await handle.signal("approved", {"by": "me"})
        await handle.result()
    return controller.keys("charge")["charge#1"]


async def test_the_payment_has_a_key_that_stays_the_same(
    definitions: ProcessDefinitions, autojump_clock: MockClock
) -> None:
    first, again, other = [await charged_key(definitions, each) for each in ("a", "a", "b")]
    assert first == again != other


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    return [block.removeprefix("$ ").replace("\\\n", " ") for block in blocks]


def test_all_commands_of_the_readme_are_found() -> None:
    assert len(commands()) == 5
    assert all(shlex.split(command)[:2] == ["lash-trio", "run"] for command in commands())


async def test_the_commands_of_the_readme(tmp_path: Path) -> None:
    shutil.copytree(README.parent, tmp_path / "examples")
    async with trio.open_nursery() as nursery:
        for command in commands():
            nursery.start_soon(run_shown_command, command, tmp_path)


async def run_shown_command(command: str, directory: Path) -> None:
    scripts = str(Path(sys.executable).parent)
    with trio.fail_after(TIMEOUT_SECONDS):
        done = await trio.run_process(
            ["sh", "-c", command],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            cwd=directory,
            env=environment(PATH=os.pathsep.join([scripts, os.environ["PATH"]])),
        )
    fails = "moon" in command
    assert done.returncode == (1 if fails else 0), done.stderr.decode()
    assert (b"Traceback" in done.stderr) is fails
