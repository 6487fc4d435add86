"""The page of error codes has every code, once."""

import re

import pytest

from lash_trio import EffectErrorCode, PluginReason, StoreFacet
from tests.docs.pages import CHECKOUT

PAGE = CHECKOUT / "docs" / "reference" / "errors.md"
CODES, REASONS = (
    part.partition("\n## ")[0]
    for part in re.split(r"\n## (?:Codes|Reasons of a registry)\n", PAGE.read_text("utf-8"))[1:]
)


def rows(part: str) -> dict[str, tuple[str, str]]:
    """What a code means and what to do, by the code in the first cell of its row."""
    found: dict[str, tuple[str, str]] = {}
    for line in part.splitlines():
        if line.startswith("| `"):
            code, means, to_do = line.strip("| ").split(" | ")
            code = code.strip("`")
            assert code not in found, f"{code} has two rows"
            found[code] = (means, to_do)
    return found


@pytest.mark.parametrize("code", EffectErrorCode)
def test_every_code_has_a_row(code: EffectErrorCode) -> None:
    means, to_do = rows(CODES)[code]
    assert means.endswith((".", ")"))
    assert to_do.endswith((".", ")"))


@pytest.mark.parametrize("reason", PluginReason)
def test_every_reason_has_a_row(reason: PluginReason) -> None:
    means, to_do = rows(REASONS)[reason]
    assert means.endswith(".")
    assert to_do.endswith(".")


def test_no_row_is_of_a_code_that_is_none() -> None:
    # Two that are no members: one with a part that varies, one that is never raised.
    others = {"durable_store_required:<facet>", "process_abandoned"}
    assert set(rows(CODES)) - others == set(EffectErrorCode)
    assert set(rows(REASONS)) == set(PluginReason)
    assert len(StoreFacet) == 5
