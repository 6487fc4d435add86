"""The commands that look at a file and change what is in it, as text and as JSON."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio
from click.testing import Result

from lash_trio import (
    AttachmentCreateMeta,
    EffectErrorCode,
    EffectScope,
    FunctionInput,
    JsonValue,
    ProcessAwaitOutput,
    ProcessDefinitions,
    ProcessProvenance,
    ProcessRegistration,
    RerunDisposition,
    Runtime,
    RuntimeParts,
    SignalWait,
    SleepWait,
    WaitState,
    open_runtime,
)
from lash_trio.cli import _file
from lash_trio.cli._load import load_definitions
from lash_trio.model import OperatorWait
from lash_trio.stores import sqlite
from lash_trio.stores.sqlite import SqliteOptions, SqliteStores, open_sqlite
from tests.cli.support import Invoke, WriteFile

SOURCE = """
    import trio
    from lash_trio import ProcessContext, ProcessDefinitions, WaitTimedOut

    definitions = ProcessDefinitions()

    async def price(sku):
        if sku == "moon":
            raise LookupError("nobody sells \\x1b[31mmoons")
        return 42

    @definitions.process("ship")
    async def ship(ctx: ProcessContext):
        return "shipped"

    @definitions.process("order", signals={"approved": {"type": "object", "required": ["by"]}})
    async def order(ctx: ProcessContext, sku: str = "lamp", patience=None):
        price_ = await ctx.step("quote", price, sku)
        await ctx.sleep(0.01)
        try:
            by = await ctx.wait_signal("approved", timeout_seconds=patience)
        except WaitTimedOut:
            return None
        child = await ctx.start(ship)
        return [price_, by, await child.result()]
"""


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


@pytest.fixture
def file(write_file: WriteFile) -> Path:
    return write_file(SOURCE, "shop.py")


@pytest.fixture
def on(invoke: Invoke, db: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Runs a command on the file, which the environment names."""
    monkeypatch.setenv("LASH_TRIO_DB", str(db))
    return invoke


@pytest.fixture
def definitions(file: Path, imports: None) -> ProcessDefinitions:
    return load_definitions(file, "order")


@pytest.fixture
def work(db: Path, definitions: ProcessDefinitions) -> Callable[..., None]:
    """Runs a worker on the file until some processes have ended."""

    def run(*process_ids: str) -> None:
        async def until_they_ended() -> None:
            async with open_sqlite(db) as stores:
                parts = RuntimeParts(
                    registry=stores.registry, host=stores.host(), owner_id="test-worker"
                )
                async with Runtime(definitions, parts) as runtime:
                    for process_id in process_ids:
                        await (await runtime.get(process_id)).output()

        trio.run(until_they_ended)

    return run


def on_file(db: Path, work: Callable[[SqliteStores], Any]) -> None:
    async def run() -> None:
        async with open_sqlite(db) as stores:
            await work(stores)

    trio.run(run)


def document(result: Result) -> Any:
    """The one JSON document that a command has printed."""
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def refusal(result: Result) -> tuple[int, str]:
    """The status and the one sentence of a refusal."""
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.exit_code, result.stderr.removeprefix("Error: ").strip()


def fields(result: Result) -> dict[str, str]:
    """What ``show`` has printed for people."""
    assert result.exit_code == 0, result.stderr
    pairs = (line.split("  ", 1) for line in result.stdout.splitlines())
    return {name: value.strip() for name, value in pairs}


def test_start_registers_and_nothing_more(on: Invoke, file: Path) -> None:
    args = ("--args", '{"sku": "desk"}', "--id", "order-1")
    row = document(on("start", f"{file}:order", *args, "--json"))
    assert row["id"] == "order-1"
    assert row["input"] == {"type": "function", "name": "order", "args": {"sku": "desk"}}
    assert row["status"] == {"state": "running"}
    assert row["provenance"]["host_profile_id"] == "lash-trio"
    assert {"created_at_ms", "updated_at_ms"} < set(row)
    assert not {"event_types", "registration_hash"} & set(row)
    assert document(on("events", "order-1", "--json")) == []
    # The same again is no change.
    assert on("start", f"{file}:order", *args).stdout == "order-1\n"
    assert document(on("ps", "--json")) == [row]


def test_start_under_a_taken_id(on: Invoke, file: Path) -> None:
    on("start", f"{file}:order", "--id", "one")
    status, sentence = refusal(on("start", f"{file}:ship", "--id", "one"))
    assert status == 5
    assert "'one'" in sentence


def test_start_chooses_an_id(on: Invoke, file: Path) -> None:
    one, two = (on("start", f"{file}:order").stdout.strip() for _ in range(2))
    assert one != two
    assert one.startswith("order-")


def test_start_takes_a_module(
    on: Invoke, file: Path, monkeypatch: pytest.MonkeyPatch, db: Path
) -> None:
    monkeypatch.chdir(file.parent)
    assert on("start", "shop:order", "--id", "one").stdout == "one\n"
    assert db.exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("{file}",), "as 'orders.py:order'"),
        (("{file}:",), "as 'orders.py:order'"),
        (("{file}:other",), "has no process 'other'; known are ship, order"),
        (("missing.py:order",), "missing.py cannot be read"),
        (("no_such_module:order",), "there is no file and no module no_such_module"),
        (("{file}:order", "--args", "{"), "expected JSON text"),
        (("{file}:order", "--args", '{"skew": 1}'), "takes the arguments sku, patience; got skew"),
    ],
)
def test_start_refuses(args: tuple[str, ...], words: str, on: Invoke, file: Path, db: Path) -> None:
    result = on("start", *(arg.format(file=file) if "{file" in arg else arg for arg in args))
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert not db.exists()


def test_a_process_from_its_start_to_its_end(
    on: Invoke, file: Path, work: Callable[..., None]
) -> None:
    on("start", f"{file}:order", "--id", "order-1")
    before = document(on("show", "order-1", "--json"))
    assert before["process"]["status"] == {"state": "running"}
    assert "event_types" in before["process"]
    assert (before["event_count"], before["recorded_count"]) == (0, 0)
    assert "no worker has it now: run 'lash-trio worker'" in before["advice"]
    assert "lease" not in before
    assert document(on("journal", "order-1", "--json")) == []
    assert on("journal", "order-1").stdout == "nothing is recorded\n"

    sent = document(on("signal", "order-1", "approved", '{"by": "ada"}', "--json"))
    assert sent["replayed"] is False
    assert sent["event"]["sequence"] == 1
    assert sent["event"]["payload"] == {"by": "ada"}
    work("order-1")

    after = document(on("show", "order-1", "--json"))
    output = {"type": "success", "value": [42, {"by": "ada"}, "shipped"]}
    assert after["process"]["status"] == {"state": "completed", "await_output": output}
    assert after["recorded_count"] == 5
    assert "advice" not in after
    shown = fields(on("show", "order-1"))
    assert (shown["process"], shown["state"], shown["arguments"]) == ("order", "completed", "{}")
    assert (shown["value"], shown["signals"]) == ('[42,{"by":"ada"},"shipped"]', "approved")
    assert "waits" not in shown

    # Ended ones are listed on demand, with the child.
    assert document(on("ps", "--json")) == []
    assert on("ps").stdout == "no processes that have not ended\n"
    ended = document(on("ps", "--all", "--json"))
    assert [row["id"] for row in ended] == ["order-1", "order-1/start:ship#1"]
    assert [row["status"]["state"] for row in ended] == ["completed", "completed"]


def test_events_as_text_and_json(on: Invoke, file: Path, work: Callable[..., None]) -> None:
    on("start", f"{file}:order", "--id", "order-1")
    on("signal", "order-1", "approved", '{"by": "ada"}')
    work("order-1")
    found = document(on("events", "order-1", "--json"))
    assert [event["sequence"] for event in found] == list(range(1, len(found) + 1))
    assert found[0]["event_type"] == "signal.approved"
    assert found[-1]["event_type"] == "process.completed"
    lines = on("events", "order-1").stdout.splitlines()
    assert len(lines) == len(found)
    assert lines[0].split()[0] == "1"
    assert lines[0].endswith('gets the signal approved {"by":"ada"}')
    assert lines[-1].endswith("completed")
    last = on("events", "order-1", "--after", str(len(found) - 1)).stdout.splitlines()
    assert last == lines[-1:]
    # Of a process that has ended, following ends as well.
    followed = on("events", "order-1", "--follow", "--json", "--after", "1")
    assert followed.exit_code == 0
    assert [json.loads(line) for line in followed.stdout.splitlines()] == found[1:]
    assert on("events", "order-1", "-f").stdout.splitlines() == lines


def test_the_journal_as_text_and_json(on: Invoke, file: Path, work: Callable[..., None]) -> None:
    on("start", f"{file}:order", "--id", "order-1", "--args", '{"patience": 0.01}')
    work("order-1")
    entries = document(on("journal", "order-1", "--json"))
    step, sleep, wait = entries
    assert step["replay_key"] == "quote#1"
    assert step["kind"] == "durable_step"
    assert step["outcome"] == {"type": "durable_step", "value": 42}
    assert isinstance(step["recorded_at_ms"], int)
    assert "due_at_ms" not in step
    assert (sleep["kind"], sleep["due_at_ms"] >= sleep["recorded_at_ms"] + 5) == ("sleep", True)
    assert wait["kind"] == "await_event"
    assert wait["outcome"]["timed_out"] is True
    header, *lines = on("journal", "order-1").stdout.splitlines()
    assert header.split() == ["KEY", "KIND", "RECORDED", "DUE", "OUTCOME"]
    assert [line.split()[0] for line in lines] == ["quote#1", "sleep#1", wait["replay_key"]]
    assert [line.rpartition("  ")[2] for line in lines] == [
        "42",
        "until it is due",
        "did not come in time",
    ]


def test_a_failure_and_what_it_left(on: Invoke, file: Path, work: Callable[..., None]) -> None:
    on("start", f"{file}:order", "--id", "order-1", "--args", '{"sku": "moon"}')
    work("order-1")
    (entry,) = document(on("journal", "order-1", "--json"))
    assert entry["failure"]["code"] == EffectErrorCode.STEP_FAILED
    assert "outcome" not in entry
    (_, line) = on("journal", "order-1").stdout.splitlines()
    # What a terminal would take for a command is shown, not sent.
    assert "nobody sells \\x1b[31mmoons" in line
    assert "failed" in fields(on("show", "order-1"))["outcome"]
    (_, line) = on("ps", "--all").stdout.splitlines()
    assert line.split()[:3] == ["order-1", "order", "failed"]


def test_a_signal_is_sent_once_under_one_key(on: Invoke, file: Path) -> None:
    on("start", f"{file}:order", "--id", "order-1")
    args = ("signal", "order-1", "approved", '{"by": "ada"}', "--signal-id", "mail-7")
    assert on(*args).stdout == "order-1 has the signal approved as its event 1\n"
    assert on(*args).stdout == "order-1 had the signal approved as its event 1\n"
    assert document(on(*args, "--json"))["replayed"] is True
    other = on("signal", "order-1", "approved", '{"by": "bob"}', "--signal-id", "mail-7")
    assert refusal(other)[0] == 5
    assert len(document(on("events", "order-1", "--json"))) == 1


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (("approved", '{"from": "ada"}'), 5, "'by' is a required property"),
        (("approved",), 5, "signal.approved"),
        (("rejected", "1"), 5, "declares no event type 'signal.rejected'"),
        (("approved", "{"), 2, "expected JSON text"),
        (("a b",), 2, "expected a signal name of ASCII letters"),
    ],
)
def test_signals_that_are_refused(
    args: tuple[str, ...], status: int, words: str, on: Invoke, file: Path
) -> None:
    on("start", f"{file}:order", "--id", "order-1")
    result = on("signal", "order-1", *args)
    assert (result.exit_code, result.stdout) == (status, "")
    assert words in result.stderr


def test_cancel_with_its_reason(on: Invoke, file: Path, work: Callable[..., None]) -> None:
    on("start", f"{file}:order", "--id", "order-1")
    row = document(on("cancel", "order-1", "--reason", "too late", "--json"))
    assert row["status"] == {"state": "running"}
    (event,) = document(on("events", "order-1", "--json"))
    assert (event["event_type"], event["payload"]) == (
        "process.cancel_requested",
        {"reason": "too late"},
    )
    # The same once more is no second request.
    assert on("cancel", "order-1", "--reason", "too late").stdout == "order-1 is asked to end\n"
    work("order-1")
    again = on("cancel", "order-1", "--json")
    assert document(again)["status"]["state"] == "cancelled"
    assert again.stderr == "lash-trio: order-1 had ended before: was cancelled: too late\n"
    assert [event["sequence"] for event in document(on("events", "order-1", "--json"))] == [1, 2]
    late = on("signal", "order-1", "approved", '{"by": "ada"}')
    assert late.exit_code == 0
    assert "order-1 has ended (cancelled), so nobody will read the signal" in late.stderr


def test_vacuum_takes_what_ended_long_ago(
    on: Invoke, file: Path, work: Callable[..., None]
) -> None:
    for process_id in ("old", "new"):
        on("start", f"{file}:ship", "--id", process_id)
    work("old")
    on("start", f"{file}:order", "--id", "running")
    assert document(on("vacuum", "--older-than", "1h", "--json"))["processes"] == 0
    report = document(on("vacuum", "--older-than", "0s", "--json"))
    assert report["processes"] == 2
    assert report["events"] == 2
    kinds = {"processes", "events", "grants", "outcomes", "leases"}
    assert set(report) == {*kinds, "turns", "attachments", "artifacts"}
    assert [row["id"] for row in document(on("ps", "--all", "--json"))] == ["running"]
    text = on("vacuum", "--older-than", "30d").stdout
    assert text == "deleted: 0 processes, 0 events, 0 grants, 0 outcomes, 0 leases\n"


def test_vacuum_takes_turns_and_attachments_where_that_is_asked_for(on: Invoke, db: Path) -> None:
    async def fill() -> None:
        async with open_sqlite(db) as stores:
            meta = AttachmentCreateMeta(media_type="text/plain")
            refs = [await stores.attachments.put(text, meta) for text in (b"seen", b"unseen")]
            await stores.artifacts.put("execution_env", b"{}")
            async with stores.host().scoped(EffectScope.turn("s", "t")) as scope:
                await scope.step("look", trio_value, refs[0].id)

    trio.run(fill)
    nothing = on("vacuum", "--older-than", "0s").stdout
    assert nothing == "deleted: 0 processes, 0 events, 0 grants, 0 outcomes, 0 leases\n"
    old = on("vacuum", "--older-than", "1h", "--turns", "--attachments").stdout
    assert old.endswith(" 0 leases, 0 turns, 0 attachments, 0 artifacts\n")
    some = on("vacuum", "--older-than", "0s", "--attachments").stdout
    assert some.endswith(" 0 outcomes, 0 leases, 1 attachments, 1 artifacts\n")
    report = document(on("vacuum", "--older-than", "0s", "--turns", "--attachments", "--json"))
    assert (report["turns"], report["outcomes"], report["attachments"]) == (1, 1, 1)


async def trio_value(value: JsonValue) -> JsonValue:
    await trio.lowlevel.checkpoint()
    return value


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "1.5h", "30 d", "1y"])
def test_ages_that_are_none(age: str, on: Invoke, file: Path) -> None:
    on("start", f"{file}:ship")
    result = on("vacuum", "--older-than", age)
    assert result.exit_code == 2
    assert "as '30d', got" in result.stderr


def test_show_of_a_row_that_waits_for_repair(on: Invoke, file: Path, db: Path) -> None:
    on("start", f"{file}:order", "--id", "order-1")
    kind = OperatorWait(
        code="effect_replay_mismatch",
        message="the effect 'quote#1' is not the one that was recorded; bring the code back",
    )

    async def park(stores: SqliteStores) -> None:
        await stores.registry.set_process_wait("order-1", WaitState(kind=kind, since_ms=1000))

    on_file(db, park)
    assert document(on("show", "order-1", "--json"))["advice"].startswith(kind.message)
    shown = fields(on("show", "order-1"))
    assert shown["what to do"].startswith(kind.message)
    assert "effect_replay_mismatch" in shown["waits"]
    assert shown["since"].startswith(("1970-01-01", "1969-12-31"))
    assert "waits for somebody to repair it" in on("ps").stdout


def test_code_that_changed_between_two_workers(on: Invoke, file: Path, db: Path) -> None:
    """From the mismatch over what ``show`` says to the repair that it asks for."""
    on("start", f"{file}:order", "--id", "order-1")

    def run_until(event_type: str, words: str) -> None:
        definitions = load_definitions(file, "order")

        async def until(stores: SqliteStores) -> None:
            last = len(await stores.registry.events_after("order-1", 0))
            async with open_runtime(definitions, stores.registry, host=stores.host()) as runtime:
                async for event in (await runtime.get("order-1")).events(last):
                    if event.event_type == event_type and words in str(event.payload):
                        break

        on_file(db, until)

    recorded = file.read_text()
    run_until("process.waiting", "approved")
    file.write_text(
        recorded.replace('ctx.step("quote", price, sku)', 'ctx.step("quote", price, 1)')
    )
    run_until("process.waiting", "operator")
    shown = fields(on("show", "order-1"))
    assert "(effect_replay_mismatch)" in shown["waits"]
    assert "'quote#1'" in shown["what to do"]
    assert 'recorded "lamp", got 1' in shown["what to do"]
    assert "Then start the worker again" in shown["what to do"]
    assert "lash-trio cancel order-1" in shown["what to do"]
    file.write_text(recorded)
    on("signal", "order-1", "approved", '{"by": "ada"}')
    run_until("process.completed", "shipped")


def test_advice_can_be_pasted_into_a_shell(on: Invoke, file: Path, db: Path) -> None:
    on("start", f"{file}:order", "--id", "the order; of 'ada'")
    kind = SignalWait(key="k", name="approved", event_type="signal.approved", ordinal=1)

    async def set_wait(stores: SqliteStores) -> None:
        state = WaitState(kind=kind, since_ms=1)
        await stores.registry.set_process_wait("the order; of 'ada'", state)

    on_file(db, set_wait)
    advice = document(on("show", "the order; of 'ada'", "--json"))["advice"]
    words = shlex.split(advice.partition(": ")[2])
    assert words == ["lash-trio", "signal", "the order; of 'ada'", "approved", "JSON"]


def test_show_tells_who_runs_it(on: Invoke, file: Path, db: Path) -> None:
    on("start", f"{file}:order", "--id", "order-1")

    async def claim(stores: SqliteStores) -> None:
        await stores.registry.claim_process_lease("order-1", "worker-7", 60_000)

    on_file(db, claim)
    lease = document(on("show", "order-1", "--json"))["lease"]
    assert (lease["owner_id"], lease["fencing_token"], lease["is_alive"]) == ("worker-7", 1, True)
    assert "lease_token" not in lease
    assert "worker-7 runs it, at least until" in fields(on("show", "order-1"))["lease"]
    assert "runs on worker-7" in on("ps").stdout


def test_show_of_a_lease_that_expired(on: Invoke, file: Path, db: Path) -> None:
    on("start", f"{file}:order", "--id", "order-1")

    async def claim(stores: SqliteStores) -> None:
        await stores.registry.claim_process_lease("order-1", "worker-7", 1)
        await trio.sleep(0.01)

    on_file(db, claim)
    assert document(on("show", "order-1", "--json"))["lease"]["is_alive"] is False
    shown = fields(on("show", "order-1"))
    assert "worker-7 let it expire" in shown["lease"]
    assert "no worker has it now" in shown["what to do"]
    assert "nobody runs it" in on("ps").stdout


@pytest.mark.parametrize(
    ("wait", "advice"),
    [
        (SleepWait(key="k", due_at_ms=5), "no worker has it now"),
        (None, "no worker has it now"),
    ],
)
def test_show_says_what_would_help(
    wait: SleepWait | None, advice: str, on: Invoke, file: Path, db: Path
) -> None:
    on("start", f"{file}:order", "--id", "order-1")

    async def set_wait(stores: SqliteStores) -> None:
        if wait is not None:
            await stores.registry.set_process_wait("order-1", WaitState(kind=wait, since_ms=1))

    on_file(db, set_wait)
    assert advice in document(on("show", "order-1", "--json"))["advice"]


def test_nobody_need_have_a_row_that_only_waits(on: Invoke, file: Path, db: Path) -> None:
    on("start", f"{file}:order", "--id", "order-1")
    kind = SleepWait(key="k", due_at_ms=5)

    async def set_wait(stores: SqliteStores) -> None:
        state = WaitState(kind=kind, since_ms=1, sole=True)
        await stores.registry.set_process_wait("order-1", state)

    on_file(db, set_wait)
    assert "advice" not in document(on("show", "order-1", "--json"))


def test_show_of_work_that_is_done_elsewhere(on: Invoke, db: Path) -> None:
    async def register(stores: SqliteStores) -> None:
        printing = FunctionInput(name="printing", rerun=RerunDisposition.EXTERNAL)
        await stores.registry.register_process(
            ProcessRegistration(id="p", input=printing, provenance=ProcessProvenance.host("test"))
        )

    on_file(db, register)
    assert "no worker runs it" in document(on("show", "p", "--json"))["advice"]


def test_a_waiting_process_says_how_to_signal_it(
    on: Invoke, file: Path, db: Path, definitions: ProcessDefinitions
) -> None:
    on("start", f"{file}:order", "--id", "order-1")

    async def until_it_waits(stores: SqliteStores) -> None:
        async with open_runtime(definitions, stores.registry, host=stores.host()) as runtime:
            async for event in (await runtime.get("order-1")).events():
                if "signal" in str(event.payload):
                    break

    on_file(db, until_it_waits)
    shown = fields(on("show", "order-1"))
    assert shown["waits"] == "waits for the signal approved (number 1)"
    assert shown["what to do"] == "send it the signal: lash-trio signal order-1 approved JSON"
    assert "waits for the signal approved (number 1)" in on("ps").stdout


ON_ONE = (
    ("show", "no-such"),
    ("events", "no-such"),
    ("events", "no-such", "--follow"),
    ("journal", "no-such"),
    ("signal", "no-such", "approved", "{}"),
    ("cancel", "no-such"),
)


@pytest.mark.parametrize("args", ON_ONE)
def test_an_unknown_process(args: tuple[str, ...], on: Invoke, file: Path) -> None:
    on("start", f"{file}:order")
    status, sentence = refusal(on(*args))
    assert status == 3
    assert sentence.startswith("there is no process 'no-such'")


@pytest.mark.parametrize("args", [*ON_ONE, ("ps",), ("vacuum", "--older-than", "1d")])
def test_a_missing_file_is_told_and_not_made(args: tuple[str, ...], on: Invoke, db: Path) -> None:
    status, sentence = refusal(on(*args))
    assert status == 4
    assert sentence.startswith(f"there is no file {str(db)!r}; ")
    assert not db.exists()


@pytest.mark.parametrize("args", [("ps",), ("events", "x", "--follow")])
def test_a_file_that_is_no_database(args: tuple[str, ...], on: Invoke, db: Path) -> None:
    db.write_text("buy milk and bread\n" * 100)
    status, sentence = refusal(on(*args))
    assert status == 4
    assert str(db) in sentence


def test_a_directory_is_no_file(on: Invoke, db: Path) -> None:
    db.mkdir()
    assert refusal(on("ps"))[0] == 4


def test_a_directory_that_is_not_there(invoke: Invoke, file: Path, tmp_path: Path) -> None:
    db = tmp_path / "nowhere" / "shop.db"
    status, sentence = refusal(invoke("start", f"{file}:order", "--db", db))
    assert status == 4
    assert f"there is no directory {str(db.parent)!r}" in sentence


class ReadOnlyVFS(apsw.VFS):
    """Opens files as they are for a user who may not write them; root may write any."""

    def __init__(self) -> None:
        super().__init__("read_only_for_the_command", base="")

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - as SQLite calls it
        flags[0] = (flags[0] & ~apsw.SQLITE_OPEN_READWRITE & ~apsw.SQLITE_OPEN_CREATE) | (
            apsw.SQLITE_OPEN_READONLY
        )
        flags[1] = flags[0]
        return apsw.VFSFile("", name, flags)


def test_a_read_only_file(on: Invoke, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on("start", f"{file}:order")
    vfs = ReadOnlyVFS()

    def open_read_only(path: str, options: object) -> object:
        return open_sqlite(path, SqliteOptions(vfs="read_only_for_the_command"))

    monkeypatch.setattr(sqlite, "open_sqlite", open_read_only)
    for args in (("ps",), ("start", f"{file}:order")):
        status, sentence = refusal(on(*args))
        assert status == 4
        assert "is read-only for this program" in sentence
    vfs.unregister()


def test_the_option_beats_the_environment(on: Invoke, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    assert on("start", f"{file}:order", "--id", "one", "--db", other).exit_code == 0
    assert refusal(on("ps"))[0] == 4
    assert document(on("ps", "--json", "--db", other))[0]["id"] == "one"


def test_the_default_is_in_the_users_data_directory(
    invoke: Invoke, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LASH_TRIO_DB", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert _file.default_db() == tmp_path / "data" / "lash-trio" / "processes.db"
    assert invoke("start", f"{file}:order", "--id", "one").exit_code == 0
    assert _file.default_db().exists()
    assert document(invoke("ps", "--json"))[0]["id"] == "one"


def test_without_sqlite_it_says_what_to_install(
    on: Invoke, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apsw", None)
    for args in (("ps",), ("start", f"{file}:order"), ("worker", file), ("demo",)):
        status, sentence = refusal(on(*args))
        assert status == 2
        assert "apsw" in sentence
        assert "python -m pip install 'lash-trio[cli,sqlite]'" in sentence


def test_every_command_tells_its_options(invoke: Invoke) -> None:
    listed = invoke("--help").stdout
    for name in (
        "worker",
        "start",
        "ps",
        "show",
        "events",
        "signal",
        "cancel",
        "journal",
        "vacuum",
    ):
        assert f"  {name} " in listed
        text = invoke(name, "--help").stdout
        assert "--db FILE" in text
        assert "--json" in text
        assert "LASH_TRIO_DB" in text


def test_a_column_is_never_cut_off_in_a_pipe(on: Invoke, file: Path) -> None:
    long = "order-" + "x" * 300
    on("start", f"{file}:order", "--id", long)
    (_, line) = on("ps").stdout.splitlines()
    assert line.split()[0] == long


def test_a_markup_like_id_is_shown_as_it_is(on: Invoke, file: Path) -> None:
    on("start", f"{file}:order", "--id", "[red]a[/red]\x1b[2J")
    assert "[red]a[/red]\\x1b[2J" in on("ps").stdout


def test_the_output_of_a_process_that_never_ran(on: Invoke, file: Path, db: Path) -> None:
    on("start", f"{file}:order", "--id", "order-1")

    async def end(stores: SqliteStores) -> None:
        await stores.registry.complete_process("order-1", ProcessAwaitOutput.failure("x", "broke"))

    on_file(db, end)
    assert fields(on("show", "order-1"))["outcome"] == "failed (execution, x): broke"
