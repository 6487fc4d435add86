"""The pictures are those of today's tables, whole, and legible."""

import importlib
import re
from collections.abc import Mapping
from enum import Enum
from itertools import combinations
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from lash_trio import EFFECT_TRANSITIONS, SCOPE_TRANSITIONS
from tests.docs.pages import CHECKOUT, find_pages

DOCS = CHECKOUT / "docs"
DRAWN = DOCS / "pictures"
NAMES = ("effect", "scope", "process", "lease", "wait", "waiting")
MARGIN = 2


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("pictures")


def transitions_in(name: str) -> set[str]:
    """What the arrows of a picture say."""
    tree = ET.parse(DRAWN / f"{name}.svg")
    told = [path.get("data-transitions") for path in tree.iter("{http://www.w3.org/2000/svg}path")]
    return {one for text in told if text for one in text.split("; ")}


def words_in(name: str) -> set[str]:
    """The words of a picture that can be seen."""
    tree = ET.parse(DRAWN / f"{name}.svg")
    return {text.text or "" for text in tree.iter("{http://www.w3.org/2000/svg}text")}


def words(member: Enum) -> str:
    return member.name.lower().replace("_", " ")


def test_the_pictures_are_up_to_date(pictures: ModuleType) -> None:
    drawn = {name: canvas.svg() for name, canvas in pictures.draw_all().items()}
    committed = {path.name: path.read_text("utf-8") for path in DRAWN.glob("*.svg")}
    assert committed.keys() == drawn.keys()
    stale = [name for name, svg in drawn.items() if committed[name] != svg]
    assert stale == [], "run `python docs/pictures.py`"


@pytest.mark.parametrize(
    ("name", "table"), [("effect", EFFECT_TRANSITIONS), ("scope", SCOPE_TRANSITIONS)]
)
def test_every_transition_of_a_table_is_in_its_picture(
    name: str, table: Mapping[tuple[Enum, Enum], Enum]
) -> None:
    expected = {
        f"{words(state)} -> {words(signal)} -> {words(target)}"
        for (state, signal), target in table.items()
    }
    assert transitions_in(name) == expected
    seen = {words(member) for (state, signal) in table for member in (state, signal)}
    assert seen <= words_in(name)


@pytest.mark.parametrize(
    ("name", "states", "refused"),
    [
        ("process", {"running", "completed", "failed", "cancelled"}, "completed -> process.failed"),
        ("lease", {"free", "held", "expired"}, "held -> claim by another"),
        ("wait", {"not waiting", "waiting", "ended"}, "ended -> set"),
    ],
)
def test_what_a_registry_refuses_has_no_arrow(name: str, states: set[str], refused: str) -> None:
    transitions = transitions_in(name)
    assert {transition.split(" -> ")[0] for transition in transitions} == states
    assert [one for one in transitions if one.startswith(refused)] == []


def test_a_table_with_another_arrow_cannot_be_drawn(pictures: ModuleType) -> None:
    table = pictures.MACHINES["scope"]()
    pictures.draw_machine(pictures.SCOPE, table)
    with pytest.raises(ValueError, match="the layout"):
        pictures.draw_machine(pictures.SCOPE, {**table, ("closed", "revived"): "open"})
    with pytest.raises(ValueError, match="the layout"):
        pictures.draw_machine(pictures.SCOPE, {("open", "block left"): "closing"})


@pytest.mark.parametrize("name", NAMES)
def test_boxes_and_labels_lie_apart_and_inside(pictures: ModuleType, name: str) -> None:
    canvas = pictures.draw_all()[f"{name}.svg"]
    width, height = canvas.size
    for one, area in canvas.boxes.items():
        assert 0 <= area.x <= width - area.width, one
        assert 0 <= area.y <= height - area.height, one
    overlapping = [
        (one, other)
        for (one, area), (other, another) in combinations(canvas.boxes.items(), 2)
        if area.overlaps(another, MARGIN)
    ]
    assert overlapping == []


def test_every_colour_can_be_read(pictures: ModuleType) -> None:
    drawing = importlib.import_module("drawing")
    for fill, ink in drawing.COLOURS.values():
        assert contrast(fill, ink) >= 4.5
    for page in ("#ffffff", "#131416"):
        assert contrast(drawing.LINE, page) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_shown_with_a_text_for_those_who_do_not_see_it(name: str) -> None:
    shown = re.compile(rf"!\[[^\]]{{20,}}\]\([./]*pictures/{name}\.svg\)")
    assert [page for page in find_pages() if shown.search(page.read_text("utf-8"))]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2 defines it."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
