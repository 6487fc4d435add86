"""Links of the README and the docs to each other lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT, find_pages

FENCE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1\s*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(?P<title>.+)$", re.MULTILINE)


def links_of(path: Path) -> list[str]:
    """Where a page links to, addresses of the web left aside."""
    prose = FENCE.sub("", path.read_text("utf-8"))
    targets = [link["target"] for link in LINK.finditer(prose)]
    return [target for target in targets if "://" not in target]


def anchors_of(path: Path) -> set[str]:
    """The headings of a page as they are written in links."""
    prose = FENCE.sub("", path.read_text("utf-8"))
    titles = [heading["title"].lower() for heading in HEADING.finditer(prose)]
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", find_pages(), ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_links_lead_somewhere(path: Path) -> None:
    broken: list[str] = []
    for target in links_of(path):
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        if not linked.exists() or (anchor and anchor not in anchors_of(linked)):
            broken.append(target)
    assert broken == []


def test_links_are_found_and_broken_ones_told_apart(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title, long\n[a](#a-title-long) [b](b.md)\n```python\n[c](d)\n```\n")
    assert links_of(page) == ["#a-title-long", "b.md"]
    assert anchors_of(page) == {"a-title-long"}


def test_the_readme_leads_into_the_docs() -> None:
    assert "docs/tutorial.md" in links_of(CHECKOUT / "README.md")
