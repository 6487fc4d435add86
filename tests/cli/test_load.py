"""Importing a user's file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lash_trio.cli._load import LoadError, load_definitions
from tests.cli.support import WriteFile

ONE = """
    from lash_trio import ProcessContext, ProcessDefinitions

    definitions = ProcessDefinitions()

    @definitions.process("one")
    async def one(ctx: ProcessContext) -> int:
        return 1
"""


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an import changes in the interpreter is taken back after a test."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "modules", sys.modules.copy())


def refusal(path: Path, process: str = "one") -> str:
    with pytest.raises(LoadError) as caught:
        load_definitions(path, process)
    return str(caught.value)


def test_the_definitions_of_a_file_are_found(write_file: WriteFile) -> None:
    assert [known.name for known in load_definitions(write_file(ONE), "one")] == ["one"]


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "missing.py"
    assert refusal(path) == f"{path} cannot be read: No such file or directory"


def test_a_directory(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path} cannot be read: Is a directory"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "picture.py"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    assert refusal(path).startswith(f"{path} is not valid Python: ")


def test_a_file_that_is_no_python(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk and bread\n")
    assert refusal(path) == f"{path} is not valid Python: line 1: invalid syntax"


def test_a_syntax_error(write_file: WriteFile) -> None:
    path = write_file("x = 1\ny = (\n")
    assert refusal(path) == f"{path} is not valid Python: line 2: '(' was never closed"


def test_a_syntax_error_in_a_module_that_it_imports(write_file: WriteFile) -> None:
    write_file("y = (\n", "broken_helper.py")
    path = write_file("import broken_helper\n")
    message = refusal(path)
    assert message.startswith(f"importing {path} raised SyntaxError: ")
    assert message.endswith("(in its line 1)")


def test_an_exception_while_it_is_imported(write_file: WriteFile) -> None:
    path = write_file("x = 1\n\ndef check():\n    raise ValueError('bad')\n\ncheck()\n")
    assert refusal(path) == f"importing {path} raised ValueError: bad (in its line 4)"


def test_an_exit_while_it_is_imported(write_file: WriteFile) -> None:
    path = write_file("import sys\nsys.exit('usage: none')\n")
    assert refusal(path) == f"importing {path} raised SystemExit: usage: none (in its line 2)"


def test_ctrl_c_while_it_is_imported_is_not_an_error_of_the_file(write_file: WriteFile) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_definitions(write_file("raise KeyboardInterrupt\n"), "one")


def test_a_file_without_definitions(write_file: WriteFile) -> None:
    path = write_file("x = 1\n")
    message = refusal(path)
    assert message.startswith(f"{path} has no ProcessDefinitions; ")


def test_an_unknown_process_is_told_with_the_known_ones(write_file: WriteFile) -> None:
    path = write_file(ONE + "\n    definitions.process('two')(one)\n")
    assert refusal(path, "three") == f"{path} has no process 'three'; known are one, two"


def test_definitions_without_a_process(write_file: WriteFile) -> None:
    path = write_file("from lash_trio import ProcessDefinitions\nd = ProcessDefinitions()\n")
    assert refusal(path) == f"{path} has no process 'one'; known are none"


def test_of_several_definitions_the_one_with_the_process_is_taken(write_file: WriteFile) -> None:
    path = write_file(
        ONE
        + "\n    others = ProcessDefinitions()\n    others.process('two')(one)\n    same = others\n"
    )
    assert [known.name for known in load_definitions(path, "two")] == ["two"]


def test_a_process_in_several_definitions_is_refused(write_file: WriteFile) -> None:
    path = write_file(ONE + "\n    others = ProcessDefinitions()\n    others.process('one')(one)\n")
    message = refusal(path)
    assert message.startswith(f"{path} has the process 'one' in several ProcessDefinitions ")
    assert "(definitions, others)" in message


def test_a_file_can_import_its_neighbours(write_file: WriteFile) -> None:
    write_file("NAME = 'near'\n", "my_neighbour.py")
    path = write_file(
        """
        from my_neighbour import NAME
        from lash_trio import ProcessContext, ProcessDefinitions

        definitions = ProcessDefinitions()

        @definitions.process(NAME)
        async def one(ctx: ProcessContext) -> None: ...
        """
    )
    assert "near" in load_definitions(path, "near")


def test_a_file_may_be_called_like_a_module(write_file: WriteFile) -> None:
    before = sys.modules["trio"]
    assert "one" in load_definitions(write_file(ONE, "trio.py"), "one")
    assert sys.modules["trio"] is before


def test_a_file_is_not_main(write_file: WriteFile) -> None:
    load_definitions(write_file(ONE + "\n    assert __name__ != '__main__'\n"), "one")


def test_annotations_of_a_file_can_be_resolved(write_file: WriteFile) -> None:
    # dataclasses and attrs look the module up in sys.modules.
    path = write_file(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from typing import ClassVar, get_type_hints\n"
        "from lash_trio import ProcessDefinitions\n"
        "@dataclass\n"
        "class Point:\n"
        "    kind: ClassVar[str] = 'point'\n"
        "    x: int\n"
        "assert get_type_hints(Point)['x'] is int\n"
        "assert Point(1).x == 1\n"
        "definitions = ProcessDefinitions()\n"
    )
    assert refusal(path).endswith("known are none")


def test_a_changed_file_is_read_again_and_no_byte_code_is_kept(
    write_file: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = write_file(ONE)
    load_definitions(path, "one")
    # Of the same length and in the same second: byte code by date would be stale.
    path.write_text(path.read_text().replace('"one"', '"two"'))
    assert "two" in load_definitions(path, "two")
    assert [each.name for each in path.parent.iterdir()] == [path.name]
