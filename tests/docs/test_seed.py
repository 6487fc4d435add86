"""The table that maps the names of the seed to ours: it is whole, and our names exist."""

import importlib
import re
from pathlib import Path

import attrs
import pytest

from tests.docs.pages import CHECKOUT

PAGE = CHECKOUT / "docs" / "explanation" / "seed.md"
NAMES = Path(__file__).with_name("seed_names.txt")
CODE = re.compile(r"`([^`]+)`")


@attrs.frozen(kw_only=True)
class Row:
    """One row of the table."""

    seed: str
    ours: str
    lives_in: str
    why: str


def table_rows() -> list[Row]:
    rows: list[Row] = []
    for line in PAGE.read_text("utf-8").splitlines():
        if not line.startswith("| "):
            continue
        seed, ours, lives_in, why = (cell.strip() for cell in line.strip("|").split(" | "))
        if seed != "seed":
            rows.append(Row(seed=seed, ours=ours, lives_in=lives_in, why=why))
    return rows


ROWS = table_rows()


def seed_names() -> list[str]:
    lines = NAMES.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_name_of_the_seed_has_one_row() -> None:
    assert len(seed_names()) > 150
    listed = [name for row in ROWS for name in CODE.findall(row.seed)]
    assert sorted(listed) == sorted(seed_names())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.seed)
def test_a_row_names_something_that_exists_or_says_why_not(row: Row) -> None:
    assert row.why
    if row.ours == "none":
        assert row.lives_in == ""
        assert row.why != "the same"
        return
    (name,) = CODE.findall(row.ours)
    (module,) = CODE.findall(row.lives_in)
    value: object = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)


def test_nothing_of_the_seed_is_still_to_be_built() -> None:
    assert [row.seed for row in ROWS if "not built" in row.why.lower()] == []
