"""The manifest example, on directories of all kinds."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lash_trio import (
    InlineEffectHost,
    JsonValue,
    PluginError,
    ProcessDefinitions,
    ProcessFailedError,
    canonical_json,
    open_runtime,
    to_json,
)
from lash_trio.cli._load import load_definitions
from tests.cli.support import run_command
from tests.examples.support import StepController


@pytest.fixture(scope="module")
def definitions() -> ProcessDefinitions:
    checkout = Path(__file__).resolve().parent.parent.parent
    return load_definitions(checkout / "examples" / "manifest.py", "manifest")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree: three levels, an empty file, an empty directory, odd names."""
    top = tmp_path / "tree"
    for name, content in {
        "b.txt": b"b",
        "a.txt": b"a" * 3_000_000,
        "empty": b"",
        "sub/deep/z": b"z",
        "sub/a b\n\x1b": b"odd",
        "sub.txt": b"sorted between",
        "gr\u00fcn/\u20ac": b"euro",
    }.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (top / "nothing").mkdir()
    return top


async def make(
    definitions: ProcessDefinitions,
    directory: Path,
    controller: StepController | None = None,
    **args: JsonValue,
) -> dict[str, Any]:
    """Run the process on a directory, approved by ``me``."""
    host = InlineEffectHost(controller)
    async with open_runtime(definitions, host=host) as runtime:
        handle = await runtime.start("manifest", {"directory": str(directory), **args})
        await handle.signal("approve", {"by": "me"})
        value = await handle.result()
    assert isinstance(value, dict)
    return value


def regular_files(top: Path) -> dict[str, bytes]:
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in top.rglob("*")
        if path.is_file()
    }


def skipped(manifest: dict[str, Any]) -> dict[str, str]:
    return {entry["path"]: entry["reason"] for entry in manifest["skipped"]}


async def test_every_file_with_size_and_digest(definitions: ProcessDefinitions, tree: Path) -> None:
    manifest = await make(definitions, tree)
    files = regular_files(tree)
    assert manifest == {
        "directory": str(tree),
        "approved_by": "me",
        "files": [
            {
                "path": path,
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for path, content in sorted(files.items())
        ],
        "skipped": [],
        "totals": {"files": 7, "bytes": sum(map(len, files.values())), "skipped": 0},
    }


async def test_an_empty_directory(definitions: ProcessDefinitions, tmp_path: Path) -> None:
    manifest = await make(definitions, tmp_path)
    assert manifest["totals"] == {"files": 0, "bytes": 0, "skipped": 0}


async def test_links_are_not_followed(definitions: ProcessDefinitions, tree: Path) -> None:
    (tree / "loop").symlink_to(tree)
    (tree / "to_file").symlink_to(tree / "b.txt")
    (tree / "broken").symlink_to("nowhere")
    manifest = await make(definitions, tree)
    assert skipped(manifest) == dict.fromkeys(["broken", "loop", "to_file"], "a symbolic link")
    assert manifest["totals"]["files"] == 7


async def test_what_is_no_file_is_not_opened(
    definitions: ProcessDefinitions, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tree / "sub" / "pipe")
    # A relative name: that of a socket has no room for a long path.
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with trio.fail_after(10):
            manifest = await make(definitions, tree)
    assert skipped(manifest) == dict.fromkeys(["socket", "sub/pipe"], "not a regular file")


async def test_names_that_are_no_unicode(definitions: ProcessDefinitions, tree: Path) -> None:
    with open(os.fsencode(tree / "sub") + b"/\xff", "wb"):  # noqa: ASYNC230, PTH123
        pass
    assert skipped(await make(definitions, tree)) == {
        "sub/\\udcff": "the name is not valid Unicode"
    }


async def test_a_tree_that_changes_meanwhile_is_no_crash(
    definitions: ProcessDefinitions, tree: Path
) -> None:
    async def interfere(name: str, args: list[JsonValue]) -> None:
        match name, args[-1] if args else None:
            case "hash", "a.txt":
                (tree / "a.txt").unlink()
            case "hash", "b.txt":
                (tree / "b.txt").unlink()
                (tree / "b.txt").symlink_to(tree / "empty")
            case "hash", "sub.txt":
                (tree / "sub.txt").unlink()
                os.mkfifo(tree / "sub.txt")
            case "list", "nothing":
                (tree / "nothing").rmdir()
            case _:
                pass

    with trio.fail_after(10):
        manifest = await make(definitions, tree, StepController(interfere))
    reasons = skipped(manifest)
    assert reasons.pop("b.txt") in ("Too many levels of symbolic links", "Too many links")
    assert reasons == {
        "a.txt": "No such file or directory",
        "nothing": "No such file or directory",
        "sub.txt": "not a regular file",
    }
    assert manifest["totals"]["files"] == 4


async def test_names_can_be_left_out(definitions: ProcessDefinitions, tree: Path) -> None:
    (tree / "sub" / "link").symlink_to("z")
    manifest = await make(definitions, tree, exclude=["deep", "b.txt", "gr\u00fcn", "link"])
    paths = [entry["path"] for entry in manifest["files"]]
    assert paths == ["a.txt", "empty", "sub.txt", "sub/a b\n\x1b"]
    assert manifest["skipped"] == []


async def test_a_directory_that_is_missing(definitions: ProcessDefinitions, tmp_path: Path) -> None:
    with pytest.raises(ProcessFailedError) as caught:
        await make(definitions, tmp_path / "missing")
    assert caught.value.output.code == "durable_step_failed"
    assert "No such file or directory" in caught.value.output.message


async def test_a_directory_that_is_a_file(definitions: ProcessDefinitions, tree: Path) -> None:
    with pytest.raises(ProcessFailedError, match="Not a directory"):
        await make(definitions, tree / "b.txt")


async def test_a_limit_below_one(definitions: ProcessDefinitions, tree: Path) -> None:
    with pytest.raises(ProcessFailedError, match="expected a number of files from 1 on, got 0"):
        await make(definitions, tree, limit=0)


@pytest.mark.parametrize("limit", [1, 3])
async def test_so_many_files_at_once_and_no_more(
    limit: int, definitions: ProcessDefinitions, tree: Path
) -> None:
    async def until_nothing_else_runs(name: str, args: list[JsonValue]) -> None:
        await wait_all_tasks_blocked()

    controller = StepController(until_nothing_else_runs)
    await make(definitions, tree, controller, limit=limit)
    assert controller.most_at_once == limit


async def test_keys_do_not_depend_on_which_file_is_first(
    definitions: ProcessDefinitions, tree: Path
) -> None:
    async def in_time(name: str, args: list[JsonValue]) -> None:
        if name == "hash":
            # The first ones take longest.
            await trio.sleep(0.05 if args[-1] in ("a.txt", "b.txt") else 0)

    side_by_side, one_by_one = StepController(in_time), StepController()
    first = await make(definitions, tree, side_by_side, limit=8)
    second = await make(definitions, tree, one_by_one, limit=1)
    assert first == second
    assert side_by_side.keys("hash") == one_by_one.keys("hash")
    in_order = ["a.txt", "b.txt", "empty", "sub.txt"]
    in_order += ["gr\u00fcn/\u20ac", "sub/a b\n\x1b", "sub/deep/z"]
    assert one_by_one.keys("hash") == {
        f"nursery#1.{number}/hash#1": path for number, path in enumerate(in_order, 1)
    }
    assert list(side_by_side.keys("hash")) != list(one_by_one.keys("hash"))
    assert side_by_side.keys("list") == one_by_one.keys("list")


async def test_what_is_recorded_is_small(definitions: ProcessDefinitions, tmp_path: Path) -> None:
    for number in range(300):
        path = tmp_path / f"{number % 30}" / f"{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(1000 * number))
    controller = StepController()
    await make(definitions, tmp_path, controller)
    assert len(controller.steps) > 330
    sizes = [
        len(canonical_json(to_json(envelope))) + len(canonical_json(to_json(outcome)))
        for envelope, outcome in controller.steps
    ]
    assert max(sizes) < 1500


async def test_it_waits_for_its_approval(definitions: ProcessDefinitions, tree: Path) -> None:
    async with open_runtime(definitions) as runtime:
        handle = await runtime.start("manifest", {"directory": str(tree)})
        with pytest.raises(PluginError, match=r"signal\.approve"):
            await handle.signal("approve", {"who": "me"})
        told: list[str] = []
        async for event in handle.events():
            told.append(event.event_type)
            if event.event_type == "process.waiting":
                break
        assert told == ["manifest.listed", "manifest.hashed", "process.waiting"]
        assert not (await handle.record()).is_terminal
        await handle.signal("approve", {"by": "me"})
        assert isinstance(await handle.result(), dict)


async def test_a_cancelled_run_does_not_read_on(
    definitions: ProcessDefinitions, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(20 << 30)  # nothing at all takes no space, but a while
    async with open_runtime(definitions) as runtime:
        handle = await runtime.start("manifest", {"directory": str(tmp_path)})
        async for event in handle.events():
            if event.event_type == "manifest.listed":
                break
        await trio.sleep(0.05)
        with trio.fail_after(5):
            await handle.cancel("too big")
            assert (await handle.output()).tag == "cancelled"


def test_the_command_runs_it_on_the_own_tree(checkout: Path) -> None:
    # What tools and tests write may change while it runs.
    left_out = [".git", ".nox", ".venv", "__pycache__", "_build", "build", "dist", "htmlcov"]
    left_out += [path.name for path in checkout.glob(".*") if path.name != ".ci"]
    done = run_command(
        "run",
        checkout / "examples" / "manifest.py",
        "manifest",
        "--args",
        json.dumps({"directory": str(checkout), "exclude": left_out}),
        "--signal",
        'approve={"by": "me"}',
    )
    assert done.returncode == 0, done.stderr.decode()
    manifest = json.loads(done.stdout)
    digests = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    for path in ("LICENSE", "examples/manifest.py", "lash_trio/py.typed"):
        assert digests[path] == hashlib.sha256((checkout / path).read_bytes()).hexdigest()
    assert list(digests) == sorted(digests)
    assert manifest["totals"]["files"] == len(digests) > 50
    assert manifest["approved_by"] == "me"
