"""The report as a file; ``tests/browser`` looks at it in a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import trio

from lash_trio import (
    RESUMED,
    WAITING,
    ProcessDefinitions,
    ProcessEvent,
    ProcessProvenance,
    StartRequest,
)
from lash_trio.cli._details import read_details
from lash_trio.cli._report import _MOST_DRAWN, Report, offset_text, read_report, render, span_text
from lash_trio.cli._timeline import Timeline, What, timeline_of
from lash_trio.stores.sqlite import SqliteStores, open_sqlite
from tests.browser import pages
from tests.cli.support import Invoke


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "x.db"
    trio.run(pages.keep_completed, path)
    trio.run(pages.keep_hostile, path)
    return path


class Markup(HTMLParser):
    """The tags of a page, and what stands between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_command_writes_one_file(invoke: Invoke, db: Path, tmp_path: Path) -> None:
    page = tmp_path / "order.html"
    result = invoke("report", "order-1", "-o", page, "--db", db)
    assert (result.exit_code, result.stdout) == (0, f"{page}\n")
    first = page.read_text(encoding="utf-8")
    assert first.startswith("<!doctype html>")
    assert "<h1>order-1</h1>" in first
    again = invoke("report", "order-1", "--output", page, "--db", db, "--json")
    assert json.loads(again.stdout) == {"file": str(page)}
    # Of a process that has ended it is the same page, but for when it was written.
    written = re.compile(r"<footer>.*</footer>")
    assert written.sub("", page.read_text(encoding="utf-8")) == written.sub("", first)


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (("no-such", "-o", "{tmp}/x.html"), 3, "there is no process 'no-such'"),
        (("order-1", "-o", "{tmp}/nowhere/x.html"), 1, "cannot be written: No such file"),
        (("order-1", "-o", "{tmp}"), 2, "is a directory"),
        (("order-1",), 2, "Missing option '-o'"),
        (("order-1", "-o", "{tmp}/x.html", "--db", "{tmp}/no.db"), 4, "there is no file"),
    ],
)
def test_what_it_refuses(
    args: tuple[str, ...], status: int, words: str, invoke: Invoke, db: Path, tmp_path: Path
) -> None:
    result = invoke("report", "--db", db, *(arg.format(tmp=tmp_path) for arg in args))
    assert (result.exit_code, result.stdout) == (status, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_whatever_stands_in_a_process_is_text(db: Path) -> None:
    page = trio.run(pages.page_of, db, f"id {pages.HOSTILE}")
    markup = Markup(page)
    assert not {"script", "img", "iframe", "a", "object"} & set(markup.tags)
    assert not [name for name, _ in markup.attributes if name.startswith("on")]
    for _, value in markup.attributes:
        assert "owned" not in (value or "")
    assert markup.text.count(pages.HOSTILE) >= 5
    assert "http" not in re.sub(r"http-equiv", "", page)


def test_a_page_says_no_lease_token(db: Path) -> None:
    assert "lease_token" not in trio.run(pages.page_of, db, "order-1")


async def log_of(stores: SqliteStores, process_id: str) -> list[ProcessEvent]:
    return await stores.registry.events_after(process_id, 0)


async def test_the_timeline_has_all_that_is_known(db: Path) -> None:
    async with open_sqlite(db) as stores:
        details = await read_details(stores, "order-1")
        log = await log_of(stores, "order-1")
        timeline = timeline_of(details, log, stores.clock.now_ms())
    kinds = [moment.what for moment in timeline.moments]
    assert kinds.count(What.SLEEP) == 1
    assert kinds.count(What.SIGNAL) == 2
    assert kinds.count(What.EVENT) == 1
    # Each wait once, though both log and journal know it, and with what came of it.
    waits = [moment for moment in timeline.moments if moment.what is What.WAIT]
    assert [moment.said for moment in waits] == [
        '{"by":"grace"}',
        '{"type":"success","value":"on its way"}',
    ]
    assert all(moment.to_ms is not None and not moment.is_open for moment in waits)
    assert kinds[-1] is What.END
    begins = [moment.from_ms for moment in timeline.moments]
    assert begins == sorted(begins)
    assert timeline.from_ms == details.record.created_at_ms
    assert timeline.to_ms == log[-1].occurred_at_ms
    told = [event for event in log if event.event_type not in (WAITING, RESUMED)]
    assert len(timeline.moments) == len(told) + len(details.entries)


async def test_a_process_that_still_waits_is_drawn_up_to_now(tmp_path: Path) -> None:
    db = tmp_path / "x.db"
    await pages.keep_parked(db)
    async with open_sqlite(db) as stores:
        details = await read_details(stores, "order-2")
        log = await log_of(stores, "order-2")
        now_ms = stores.clock.now_ms() + 60_000
        timeline = timeline_of(details, log, now_ms)
    open_waits = [moment for moment in timeline.moments if moment.is_open]
    assert [moment.to_ms for moment in open_waits] == [now_ms]
    assert timeline.to_ms == now_ms


def test_shares_of_a_timeline() -> None:
    timeline = Timeline(from_ms=1000, to_ms=3000, moments=())
    shares = [timeline.share(at_ms) for at_ms in (0, 1000, 1500, 3000, 9000)]
    assert shares == [0, 0, 25, 100, 100]
    assert Timeline(from_ms=5, to_ms=5, moments=()).share(5) == 0


@pytest.mark.parametrize(
    ("span_ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.00 s"),
        (59_990, "59.99 s"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (90_061_000, "1 d 1 h 1 min 1 s"),
    ],
)
def test_spans(span_ms: int, text: str) -> None:
    assert span_text(span_ms) == text
    assert offset_text(span_ms) == f"+{text}"
    assert offset_text(-5) == "+0 ms"


async def test_a_process_that_nobody_ran(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "x.db") as stores:
        await register(stores, pages.definitions)
        page = render(await read_report(stores, "new"))
    text = Markup(page).text
    assert "Nothing has happened yet." in text
    assert "No worker has claimed it yet." in text
    assert "no worker has it now" in text


async def test_a_long_log_is_drawn_in_part_and_listed_whole(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "x.db") as stores:
        await register(stores, pages.definitions)
        read = await read_report(stores, "new")
    events = [
        ProcessEvent(
            process_id="new", sequence=n, event_type="quoted", payload=n, occurred_at_ms=read.now_ms
        )
        for n in range(1, _MOST_DRAWN + 51)
    ]
    page = render(Report(details=read.details, events=events, runs=0, now_ms=read.now_ms))
    markup = Markup(page)
    assert markup.tags.count("li") - 4 == _MOST_DRAWN
    assert "50 more are not drawn" in markup.text
    assert markup.tags.count("details") == len(events)


async def register(stores: SqliteStores, definitions: ProcessDefinitions) -> None:
    request = StartRequest(id="new", provenance=ProcessProvenance.host("test"))
    registration = definitions.registration("order", {"sku": "lamp"}, request)
    await stores.registry.register_process(registration)
