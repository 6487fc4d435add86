"""Right uses of the public API type-check; wrong ones give the error they should."""

from pathlib import Path

import pytest

from tests.typing.expectations import (
    HERE,
    Finding,
    compare,
    read_expectations,
    run_mypy,
)

GOOD = sorted(HERE.glob("ok_*.py"))
BAD = sorted(HERE.glob("bad_*.py"))


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """All files in one run of mypy: most of its time goes into starting."""
    return run_mypy([*GOOD, *BAD], tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_right_use(path: Path, findings: list[Finding]) -> None:
    assert [finding for finding in findings if finding.path == path] == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_wrong_use(path: Path, findings: list[Finding]) -> None:
    expected = read_expectations(path)
    assert expected, f"{path.name} expects no error: call it ok_*.py"
    compared = compare(expected, (f for f in findings if f.path == path))
    assert (compared.missing, compared.unexpected) == ((), ())


def test_the_harness_sees_both_kinds_of_difference(tmp_path: Path) -> None:
    path = tmp_path / "bad_sample.py"
    path.write_text(
        "one: int = ''\n"
        "two: int = ''  # expect-error: assignment\n"
        "three: int = 3  # expect-error: assignment\n"
        "four: int = len(4)  # expect-error: assignment\n"
    )
    directory = tmp_path / "files"
    directory.mkdir()
    compared = compare(read_expectations(path), run_mypy([path], directory))
    assert compared.missing == (
        Finding(path, 3, "assignment"),
        Finding(path, 4, "assignment"),
    )
    assert compared.unexpected == (
        Finding(path, 1, "assignment"),
        Finding(path, 4, "arg-type"),
    )
