"""A real browser; where there is none the tests fail, they are not skipped."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
import trio
from selenium import webdriver

from tests.browser import pages

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1600",
)


def program(*names: str) -> str:
    """The path of the first of these programs that is there."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    assert found is not None, (
        f"the browser tests need {' or '.join(names)}; "
        "apt-get install -y chromium chromium-driver installs it on Debian"
    )
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(program("chromedriver"))
    driver = webdriver.Chrome(options, service)
    driver.set_page_load_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of each process, by a short name."""
    room = tmp_path_factory.mktemp("reports")
    db = room / "x.db"
    for keep in (pages.keep_completed, pages.keep_hostile, pages.keep_parked):
        trio.run(keep, db)
    ids = {"completed": "order-1", "hostile": f"id {pages.HOSTILE}", "parked": "order-2"}
    paths = {name: room / f"{name}.html" for name in ids}
    for name, process_id in ids.items():
        paths[name].write_text(trio.run(pages.page_of, db, process_id), encoding="utf-8")
    return paths
