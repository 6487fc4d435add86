"""The public names of the package: loaded late, and the same for programs and checkers."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import lash_trio
from lash_trio._homes import FACES, HOMES


def names_for_checkers() -> dict[str, str]:
    """What a type checker sees, with the module it comes from."""
    assert lash_trio.__file__ is not None
    tree = ast.parse(Path(lash_trio.__file__).read_text())
    return {
        alias.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module != "_homes"
        for alias in node.names
    }


def modules_after(source: str) -> set[str]:
    code = f"import sys\n{source}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_programs_and_checkers_see_the_same_names() -> None:
    assert names_for_checkers() == HOMES


@pytest.mark.parametrize(("name", "home"), sorted(HOMES.items()))
def test_a_name_is_that_of_its_module(name: str, home: str) -> None:
    module = importlib.import_module(f"lash_trio.{home}")
    assert getattr(lash_trio, name) is getattr(module, name)
    assert name in dir(lash_trio)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="'lash_trio' has no attribute 'nothing'"):
        getattr(lash_trio, "nothing")  # noqa: B009
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from lash_trio import nothing")


def test_the_parts_are_there_without_an_import_of_their_own() -> None:
    for face in FACES:
        source = f"import lash_trio\nlash_trio.{face}"
        assert f"lash_trio.{face}" in modules_after(source)


def test_a_program_loads_the_parts_that_it_uses() -> None:
    assert "lash_trio.model" not in modules_after("import lash_trio")
    modules = modules_after("from lash_trio import EffectScope")
    assert "lash_trio.model" in modules
    assert modules.isdisjoint({"lash_trio.kernel", "lash_trio.worker", "trio", "cattrs"})
    assert "lash_trio.worker" in modules_after("from lash_trio import open_runtime")
