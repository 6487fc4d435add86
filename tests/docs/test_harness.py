"""The harness itself: a block that is wrong makes the run red."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import Page, PageError

RunPage = Callable[[str], int]


@pytest.fixture
def run_page(tmp_path: Path) -> RunPage:
    def run(text: str) -> int:
        path = tmp_path / "page.md"
        path.write_text(text, encoding="utf-8")
        return Page(path, tmp_path).run()

    return run


def python(source: str) -> str:
    return f"```python\n{source}\n```\n\n"


def console(source: str, mark: str = "") -> str:
    return f"{mark}\n```console\n{source}\n```\n\n"


def test_all_blocks_run_and_are_counted(run_page: RunPage) -> None:
    assert run_page(python("x = 1") + "words\n\n" + python("assert x == 1")) == 2


def test_a_failing_block_fails_and_names_its_line(run_page: RunPage) -> None:
    with pytest.raises(AssertionError) as caught:
        run_page("# Title\n\n" + python("assert 1 == 2"))
    assert caught.value.__notes__[0].endswith("page.md:3")
    assert caught.traceback[-1].lineno == 3  # zero-based: the block's first line


def test_directives_and_nested_fences_run(run_page: RunPage) -> None:
    with pytest.raises(ZeroDivisionError):
        run_page("```{code-block} python\n:caption: a file\n\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError):
        run_page("1. First:\n\n   ```python\n   1 / 0\n   ```\n")


def test_top_level_await_runs_under_a_jumping_clock(run_page: RunPage) -> None:
    block = "import trio\nbefore = trio.current_time()\nawait trio.sleep(3600)\n"
    run_page(python(block + "after = trio.current_time()") + python("assert after > before"))
    with pytest.raises(ZeroDivisionError):
        run_page(python("import trio\nawait trio.sleep(1)\n1 / 0"))


def test_the_namespace_is_the_main_module(run_page: RunPage) -> None:
    with pytest.raises(ZeroDivisionError):
        run_page(python('if __name__ == "__main__":\n    1 / 0'))


@pytest.mark.parametrize(
    "language",
    ["py", "python3", "Python", "python title", "{code-block} py", "bash", ""],
)
def test_a_block_that_would_silently_not_run_is_refused(run_page: RunPage, language: str) -> None:
    with pytest.raises(PageError, match="expected a block of python"):
        run_page(f"```{language}\nx = 1\n```\n")


@pytest.mark.parametrize("source", ["$ echo 'open", "$ if true", "echo no prompt"])
def test_a_command_must_parse(run_page: RunPage, source: str) -> None:
    with pytest.raises(PageError):
        run_page(console(source))


def test_an_unmarked_command_is_not_run(run_page: RunPage) -> None:
    assert run_page(console("$ false")) == 1


def test_a_marked_command_runs_and_its_status_counts(run_page: RunPage) -> None:
    assert run_page(console("$ true", mark="<!-- run -->")) == 1
    assert run_page(console("$ exit 3", mark="<!-- run: exit=3 -->")) == 1
    with pytest.raises(PageError, match="expected exit status 0, got 1"):
        run_page(console("$ false\n$ true", mark="<!-- run -->"))


def test_the_output_of_a_marked_command_is_compared(run_page: RunPage) -> None:
    told = "$ printf 'one\\ntwo\\nthree\\n'\n"
    assert run_page(console(told + "one\n...\nthree", mark="<!-- run -->")) == 1
    with pytest.raises(PageError, match="expected this output"):
        run_page(console(told + "one\nthree", mark="<!-- run -->"))


def test_a_file_block_can_be_run_by_the_next_command(run_page: RunPage) -> None:
    page = "<!-- file: hello.py -->\n" + python('print("hello")')
    assert run_page(page + console("$ python hello.py\nhello", "<!-- run -->")) == 2


def test_sh_blocks_run_as_one_script(run_page: RunPage) -> None:
    page = "<!-- run -->\n```sh\nx=1\ntest $x = {}\n```\n"
    assert run_page(page.format(1)) == 1
    with pytest.raises(PageError, match="exit status"):
        run_page(page.format(2))


@pytest.mark.parametrize(
    "page",
    [
        "<!-- run -->\n",
        "<!-- run -->\n\nwords\n\n" + console("$ true"),
        "<!-- run -->\n" + python("x = 1"),
        "<!-- run: sometimes -->\n```console\n$ true\n```\n",
    ],
    ids=["nothing", "not adjacent", "wrong block", "unknown word"],
)
def test_a_mark_that_marks_nothing_is_refused(run_page: RunPage, page: str) -> None:
    with pytest.raises(PageError):
        run_page(page)
