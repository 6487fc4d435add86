"""What is loaded when: importing the model must stay quick."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import lash_trio
from lash_trio import model
from lash_trio.model import _late


def imported_after(program: str) -> set[str]:
    printing = f"import sys\n{program}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", printing], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


LATE_MODULES = {f"lash_trio.model.{module}" for module in set(_late.TURN_NAMES.values())}


def test_importing_the_model_loads_no_turns_no_converter_and_no_schemas() -> None:
    modules = imported_after("import lash_trio.model")
    assert "lash_trio.model._append" in modules
    assert modules.isdisjoint(LATE_MODULES)
    assert modules.isdisjoint({"cattrs", "jsonschema", "referencing"})


def test_appending_a_plain_event_needs_neither() -> None:
    modules = imported_after(
        "from lash_trio.model import DeclaredType, ProcessEventType\n"
        "assert DeclaredType(ProcessEventType(name='t')).fault({}) is None"
    )
    assert modules.isdisjoint({"cattrs", "jsonschema"})


def test_the_converter_knows_the_commands_of_turns_though_nobody_asked_for_them() -> None:
    modules = imported_after(
        "from lash_trio.model import EffectCommand, loads\n"
        'command = loads(EffectCommand, \'{"type":"exec_code","code":"1"}\')\n'
        "assert type(command).__name__ == 'ExecCodeCommand'"
    )
    # What a running turn tells never travels.
    assert modules >= LATE_MODULES - {"lash_trio.model._stream"}


@pytest.mark.parametrize(("name", "module"), sorted(_late.TURN_NAMES.items()))
def test_a_late_name(name: str, module: str) -> None:
    home = importlib.import_module(f"lash_trio.model.{module}")
    assert getattr(model, name) is getattr(home, name)
    assert getattr(lash_trio, name) is getattr(home, name)
    assert name in dir(model)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"module 'lash_trio\.model' has no attribute 'Nope'"):
        getattr(model, "Nope")  # noqa: B009 - a type checker knows that it is not there
