"""The page of ``lash-trio report``, as a browser shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.browser.pages import HOSTILE

CONTRAST = """
const light = text => {
    const [r, g, b] = text.match(/[0-9.]+/g).map(Number).map(c => c / 255)
        .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = e => {
    const own = getComputedStyle(e).backgroundColor;
    return /, 0\\)$/.test(own) ? ground(e.parentElement) : own;
};
return [...document.querySelectorAll(arguments[0])].map(e => {
    const pair = [light(getComputedStyle(e).color), light(ground(e))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
});
"""


def open_page(browser: webdriver.Chrome, path: Path) -> None:
    browser.get(path.as_uri())


def all_of(browser: webdriver.Chrome, selector: str) -> list[WebElement]:
    return browser.find_elements(By.CSS_SELECTOR, selector)


def texts(browser: webdriver.Chrome, selector: str) -> list[str]:
    return [element.text for element in all_of(browser, selector)]


def script(browser: webdriver.Chrome, source: str, *args: object) -> Any:
    return browser.execute_script(source, *args)


def milliseconds(text: str) -> float:
    """What a short span says, as ``1.20 s``."""
    number, unit = text.split()
    return float(number) * {"ms": 1, "s": 1000}[unit]


def set_scheme(browser: webdriver.Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize("name", ["completed", "hostile", "parked"])
def test_a_page_needs_nothing_else_and_reports_no_error(
    name: str, browser: webdriver.Chrome, written: dict[str, Path]
) -> None:
    browser.get_log("browser")
    open_page(browser, written[name])
    assert browser.get_log("browser") == []
    assert script(browser, "return performance.getEntriesByType('resource').length") == 0
    outside = "return [...document.querySelectorAll('[src], link[href]:not([href=\"data:,\"])')]"
    assert script(browser, outside) == []


def test_what_the_page_of_a_completed_process_shows(
    browser: webdriver.Chrome, written: dict[str, Path]
) -> None:
    open_page(browser, written["completed"])
    assert browser.title == "order-1: completed"
    assert texts(browser, "h1") == ["order-1"]
    assert texts(browser, ".badge") == ["completed"]
    titles = ["Timeline", "Arguments and value", "Runs", "Events", "Recorded effects"]
    assert texts(browser, "h2") == titles
    facts = dict(zip(texts(browser, "dl.facts dt"), texts(browser, "dl.facts dd"), strict=True))
    assert (facts["Process"], facts["Runs"]) == ("order", "2")
    assert texts(browser, "td.number")[-1] == facts["Events"]
    rows = texts(browser, "ol.rows .label b")
    assert rows[0] == 'gets the signal hurry {"by":"ada"}'
    assert rows[-1] == "completed"
    assert {"step quote (quote#1)", "sleeps for 0.3 s", "another process"} <= set(rows)
    assert sum(label.startswith("step ask (nursery#1.") for label in rows) == 3
    assert "waits for the signal approved (number 1)" in rows
    body = texts(browser, "main")[0]
    assert '"decision": {' in body
    assert "It was claimed 2 times (fencing tokens 1 to 2)" in body
    assert "run from the top once again" in body
    assert len(all_of(browser, "section table")) == 2


def test_bars_are_where_and_as_long_as_things_were(
    browser: webdriver.Chrome, written: dict[str, Path]
) -> None:
    open_page(browser, written["completed"])
    track = all_of(browser, "ol.rows .track")[0].rect
    (sleep,) = all_of(browser, "li.row.sleep .bar")
    facts = dict(zip(texts(browser, "dl.facts dt"), texts(browser, "dl.facts dd"), strict=True))
    lasted_ms = milliseconds(texts(browser, "li.row.sleep .when small")[0].removeprefix("for "))
    assert lasted_ms > 250
    share = lasted_ms / milliseconds(facts["Took"])
    assert sleep.rect["width"] / track["width"] == pytest.approx(share, abs=0.02)
    (end,) = all_of(browser, "li.row.end .dot")
    middle = end.rect["x"] + end.rect["width"] / 2
    assert middle == pytest.approx(track["x"] + track["width"], abs=2)
    edges = [mark.rect["x"] for mark in all_of(browser, ".track > span")]
    assert all(track["x"] - 8 <= edge <= track["x"] + track["width"] for edge in edges)


def test_an_event_opens_to_its_json(browser: webdriver.Chrome, written: dict[str, Path]) -> None:
    open_page(browser, written["completed"])
    summary = all_of(browser, "details summary")[0]
    shown = all_of(browser, "details pre")[0]
    assert not shown.is_displayed()
    summary.click()
    assert shown.is_displayed()
    assert '"event_type": "signal.hurry"' in shown.text


def test_hostile_texts_are_shown_and_do_nothing(
    browser: webdriver.Chrome, written: dict[str, Path]
) -> None:
    open_page(browser, written["hostile"])
    assert browser.title == f"id {HOSTILE}: failed"
    assert texts(browser, "h1") == [f"id {HOSTILE}"]
    assert all_of(browser, "script, img, iframe, object, embed") == []
    handlers = "return [...document.querySelectorAll('*')].filter(e => [...e.attributes].some("
    assert script(browser, handlers + "a => a.name.startsWith('on'))).length") == 0
    assert f"PermissionError: {HOSTILE}" in texts(browser, "p.outcome")[0]
    assert any(HOSTILE in label for label in texts(browser, "li.row.step .label b"))
    assert all_of(browser, "li.row.end.is-bad") != []


def test_nothing_would_run_even_if_it_were_there(
    browser: webdriver.Chrome, written: dict[str, Path], tmp_path: Path
) -> None:
    """The page's own policy stops a script that got in some other way."""
    page = written["completed"].read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(page.replace("<main>", "<script>document.title = 'owned'</script><main>"))
    browser.get_log("browser")
    open_page(browser, broken)
    assert browser.title == "order-1: completed"
    (entry,) = browser.get_log("browser")
    assert "Content Security Policy" in entry["message"]


def test_what_to_do_comes_first(browser: webdriver.Chrome, written: dict[str, Path]) -> None:
    open_page(browser, written["parked"])
    assert texts(browser, "h2")[0] == "What to do"
    assert "is not the one that was recorded" in texts(browser, "section.advice p")[0]
    (bar,) = all_of(browser, "li.row.wait .bar.is-open")
    assert bar.rect["width"] > 10
    assert texts(browser, "li.row.wait .when small")[0].endswith("so far")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["completed", "hostile", "parked"])
def test_all_texts_can_be_read_in_light_and_dark(
    name: str, scheme: str, browser: webdriver.Chrome, written: dict[str, Path]
) -> None:
    set_scheme(browser, scheme)
    open_page(browser, written[name])
    selector = "h1, h2, .badge, dt, dd, .label b, .label small, .when, .when small, pre, th, td, p"
    ratios = script(browser, CONTRAST, f"{selector}, .legend li, .notes li, footer, .ticks span")
    assert len(ratios) > 20
    # What WCAG 2 asks of text, level AA.
    assert min(ratios) >= 4.5
    ground = script(browser, "return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(246, 247, 249)") is (scheme == "light")


def test_a_reader_of_the_page_aloud_hears_what_the_bars_show(
    browser: webdriver.Chrome, written: dict[str, Path]
) -> None:
    open_page(browser, written["completed"])
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    spoken = [node for node in nodes if not node.get("ignored")]

    def names(role: str) -> list[str]:
        found = (node for node in spoken if node["role"]["value"] == role)
        return [node["name"]["value"] for node in found]

    assert names("heading")[:2] == ["order-1", "Timeline"]
    assert {"No.", "Event", "Key", "Outcome"} <= set(names("columnheader"))
    said = names("StaticText")
    # The bar itself says nothing; its row has the same in words.
    assert all(element.get_attribute("aria-hidden") for element in all_of(browser, ".track"))
    label, when, lasted = texts(browser, "li.row.sleep")[0].splitlines()
    assert label.startswith("sleeps for ")
    assert lasted.startswith("for ")
    assert {label, when, lasted} <= set(said)


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_sticks_out_on_any_screen(
    width: int, browser: webdriver.Chrome, written: dict[str, Path]
) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    for name in ("completed", "hostile"):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        open_page(browser, written[name])
        assert script(browser, "return document.documentElement.scrollWidth") <= width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
