"""The package as it is installed: its files, its names and what it imports."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lash_trio

CHECKOUT = Path(__file__).resolve().parent.parent
DIRECTIVE = re.compile(r"\.\. (?:py:)?(?P<kind>\w+):: (?P<name>[\w.]+)$")

#: What a program that only imports the core must not pay for, nor need.
HEAVY = (
    "apsw",
    "click",
    "hypothesis",
    "opentelemetry",
    "psycopg",
    "pytest",
    "rich",
    "sqlite3",
)


def find_faces() -> list[str]:
    """The public modules: no part of their dotted name starts with an underscore."""
    below = pkgutil.walk_packages(lash_trio.__path__, "lash_trio.")
    names = ["lash_trio", *(module.name for module in below)]
    return [name for name in names if "._" not in name]


def public_names(face: str) -> list[str]:
    """What a public module offers: what it defines, and its `X as X`."""
    path = inspect.getsourcefile(importlib.import_module(face))
    assert path is not None
    names: list[str] = []
    nodes = [*ast.parse(Path(path).read_text("utf-8")).body]
    while nodes:
        match node := nodes.pop(0):
            case ast.If():  # `if TYPE_CHECKING`: a name that is loaded late
                nodes += [*node.body, *node.orelse]
            case ast.ImportFrom(names=aliases):
                names += (alias.name for alias in aliases if alias.asname == alias.name)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.append(name)
            case ast.AsyncFunctionDef(name=name):
                names.append(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.append(name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                names.append(name)
    return [name for name in names if not name.startswith("_")]


FACES = find_faces()


def run_python(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-I", *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
    )
    return done.stdout


def test_public_names_are_found_however_they_are_offered() -> None:
    assert {"EffectScope", "LocalExecutor"} <= set(public_names("lash_trio"))
    assert "ProcessRegistry" in public_names("lash_trio.abc")
    assert "LlmRequest" in public_names("lash_trio.model"), "one that is loaded late"


def test_importing_the_core_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys; before = set(sys.modules); import lash_trio\n"
        "print(*(set(sys.modules) - before))"
    )
    names = run_python("-c", program, cwd=tmp_path).split()
    imported = {name.partition(".")[0] for name in names}
    assert "lash_trio" in imported
    assert imported.isdisjoint(HEAVY)


@pytest.mark.parametrize("face", FACES)
def test_a_public_module_says_what_it_is_for(face: str) -> None:
    assert importlib.import_module(face).__doc__


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_has_a_docstring(face: str) -> None:
    module = importlib.import_module(face)
    values = {name: getattr(module, name) for name in public_names(face)}
    assert [
        name
        for name, value in values.items()
        if (inspect.isclass(value) or inspect.isroutine(value)) and not inspect.getdoc(value)
    ] == []


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_stands_in_the_reference(
    face: str, documented: dict[str, list[object]]
) -> None:
    module = importlib.import_module(face)
    # One place is enough for what several modules offer.
    assert [
        name
        for name in public_names(face)
        if not any(other is getattr(module, name) for other in documented.get(name, []))
    ] == []


def test_every_public_module_stands_in_the_reference() -> None:
    page = (CHECKOUT / "docs" / "reference" / "index.md").read_text("utf-8")
    listed = [
        directive["name"]
        for line in page.splitlines()
        if (directive := DIRECTIVE.match(line.strip())) and directive["kind"] == "automodule"
    ]
    assert sorted(listed) == sorted(FACES)


@pytest.fixture(scope="module")
def documented() -> dict[str, list[object]]:
    """What the pages of the reference document, by name."""
    found: dict[str, list[object]] = {}
    for face, name in reference_entries():
        module = importlib.import_module(face)
        assert hasattr(module, name), f"docs/reference: {face} has no {name}"
        found.setdefault(name, []).append(getattr(module, name))
    return found


def reference_entries() -> list[tuple[str, str]]:
    """Every (module, name) that a page of the reference documents."""
    entries: list[tuple[str, str]] = []
    for page in sorted((CHECKOUT / "docs" / "reference").glob("**/*.md")):
        face = ""
        for line in page.read_text("utf-8").splitlines():
            directive = DIRECTIVE.match(line.strip())
            if directive is None:
                continue
            if directive["kind"] in ("currentmodule", "module", "automodule"):
                face = directive["name"]
            elif directive["kind"].startswith("auto"):
                entries.append((face, directive["name"]))
    return entries
