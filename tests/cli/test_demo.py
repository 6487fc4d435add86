"""The demo: what it says is what happened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio

from lash_trio import open_runtime
from lash_trio.cli import _demo, _manifest
from lash_trio.cli._demo import DemoError, DemoRequest, tell_demo
from tests.cli.support import Invoke, Shown


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Eighteen files, one of them below a directory, and some that do not count."""
    top = tmp_path / "files"
    (top / "below").mkdir(parents=True)
    for number in range(17):
        (top / f"{number:02}.txt").write_text(str(number))
    (top / "below" / "x.txt").write_text("x")
    (top / ".git").mkdir()
    (top / ".git" / "config").write_text("hidden")
    (top / "link").symlink_to(top / "00.txt")
    return top


def request_for(directory: Path, room: Path) -> DemoRequest:
    return DemoRequest(directory=directory, db=room / "demo.db", room=room)


def test_the_story(directory: Path, tmp_path: Path, shown: Shown) -> None:
    # A real process is killed here, so the clock is real.
    async def tell() -> _demo.Tally:
        with shown.showing():
            tally = await tell_demo(request_for(directory, tmp_path), shown)
            assert shown.board.seconds() < 15
            return tally

    tally = trio.run(tell)
    assert tally.kept_its_word
    assert tally.same_result
    assert tally.recorded_ran_again == 0
    # Killed in the middle: some were recorded, some were under way, some were to come.
    files = set(_manifest.find_files(directory))
    assert len(files) == 18
    assert 6 <= len(tally.recorded_before) < 18
    assert tally.recorded_before <= set(tally.begun_before) < files
    assert set(tally.begun_after) == files - tally.recorded_before
    assert tally.cut_off == tally.begun_before.total() - len(tally.recorded_before) <= 4
    told = [
        "1. A worker",
        "worker-1: starts as operating-system process",
        "2. kill -9",
        "worker-1: is killed with SIGKILL",
        f"demo: {len(tally.recorded_before)} steps are recorded",
        f"demo: {tally.cut_off} more were under way",
        "3. Another worker",
        "worker-2: starts as operating-system process",
        "worker-2: drains at SIGTERM, and ends with status 0",
        f"recorded before the kill: {len(tally.recorded_before)} steps",
        "recorded ones that ran again: 0",
        f"cut off by the kill, ran again: {tally.cut_off} steps",
        f"run for the first time after it: {18 - len(tally.begun_before)} steps",
        "result: the same",
    ]
    places = [
        next(n for n, line in enumerate(shown.lines) if line.startswith(beginning))
        for beginning in told
    ]
    assert places == sorted(places), "the story has an order"
    pids = re.findall(r"operating-system process (\d+)", shown.text)
    assert len(set(pids)) == 2


def test_a_broken_word_is_told() -> None:
    tally = _demo.Tally(
        recorded_before=frozenset({"a", "b"}),
        begun_before=_demo.Counter("abc"),
        begun_after=_demo.Counter("acd"),
        same_result=True,
    )
    assert (tally.recorded_ran_again, tally.cut_off) == (1, 1)
    assert not tally.kept_its_word


async def test_the_result_is_one_of_the_files(directory: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with open_runtime(_manifest.definitions) as runtime:
        args = {"directory": str(directory), "notes": str(notes), "pause_seconds": 0}
        handle = await runtime.start("manifest", args)
        await handle.signal("approve", {"by": "me"})
        value = await handle.result()
    assert isinstance(value, dict)
    files = value["files"]
    assert isinstance(files, dict)
    # What sha256sum says of a file that holds an x.
    assert files["below/x.txt"] == (
        "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    )
    assert list(files) == sorted(_manifest.find_files(directory))
    assert value["approved_by"] == "me"
    assert sorted(notes.read_text().splitlines()) == sorted(files)


def test_so_many_files_and_no_more(tmp_path: Path) -> None:
    for number in range(_manifest.MOST_FILES + 5):
        (tmp_path / f"{number:03}").touch()
    found = _manifest.find_files(tmp_path)
    assert found == [f"{number:03}" for number in range(_manifest.MOST_FILES)]


async def test_too_few_files_are_refused(tmp_path: Path, shown: Shown) -> None:
    (tmp_path / "one").touch()
    with pytest.raises(DemoError, match=r"has 1 files .* needs a directory with 6 or more"):
        await tell_demo(request_for(tmp_path, tmp_path), shown)


def test_too_few_files_on_the_command_line(tmp_path: Path, invoke: Invoke) -> None:
    result = invoke("demo", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "needs a directory with 6 or more" in result.stderr


def test_a_worker_that_does_not_start_is_told(
    directory: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_demo, "_LEASE_SECONDS", "never")
    result = invoke("demo", directory)
    assert result.exit_code == 2
    assert "worker-1 ended with status 2; it said: " in result.stderr
    assert "'never' is not a valid float" in result.stderr
