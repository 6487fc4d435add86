"""Every code block of the README and the docs runs."""

import sys
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT, Page, find_pages


@pytest.mark.parametrize("path", find_pages(), ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_page(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = Page(path, tmp_path)
    # The reader's file is the main module: `if __name__ == "__main__"` holds, and
    # annotations of its classes can be looked up in it.
    monkeypatch.setitem(sys.modules, "__main__", page.module)
    page.run()
