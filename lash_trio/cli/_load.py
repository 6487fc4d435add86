"""Importing a user's file or module and finding the definitions in it."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Awaitable, Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Concatenate, TypeAlias, cast

from .. import JsonValue, ProcessContext, ProcessDefinitions

ProcessBody: TypeAlias = "Callable[Concatenate[ProcessContext, ...], Awaitable[JsonValue]]"


class LoadError(Exception):
    """The file cannot be used; the text says why and what to do."""


def load_definitions(source: str | Path, process: str) -> ProcessDefinitions:
    """Import a file or module and find the definitions that have a process.

    As when Python runs a file, its directory is put in front of ``sys.path`` and
    no byte code is kept.  ``__name__`` is not ``__main__`` in it.  A module is
    looked for in the working directory first.

    Args:
        source: the path of a file, or the dotted name of a module.
        process: the name of the process.

    Returns:
        The one :class:`~lash_trio.ProcessDefinitions` in it with that name in it.

    Raises:
        LoadError: there is no such file or module, it cannot be imported, or not
            exactly one of its definitions has the process.
    """
    found = _definitions_in(_import(source), source)
    having = {name: known for name, known in found.items() if process in known}
    if not having:
        known_names = ", ".join(known.name for each in found.values() for known in each)
        raise LoadError(f"{source} has no process {process!r}; known are {known_names or 'none'}")
    if len(having) > 1:
        raise LoadError(
            f"{source} has the process {process!r} in several ProcessDefinitions "
            f"({', '.join(having)}); which of them is meant cannot be told"
        )
    return next(iter(having.values()))


def load_all_definitions(source: str | Path) -> ProcessDefinitions:
    """Import a file or module and put the processes of all its definitions together.

    Args:
        source: as for :func:`load_definitions`.

    Raises:
        LoadError: also where two of its definitions have a process of one name.
    """
    together = ProcessDefinitions()
    for definitions in _definitions_in(_import(source), source).values():
        for known in definitions:
            if known.name in together:
                raise LoadError(
                    f"{source} has the process {known.name!r} in several ProcessDefinitions; "
                    "which of them is meant cannot be told"
                )
            register = together.process(known.name, events=known.event_types, rerun=known.rerun)
            register(cast("ProcessBody", known.function))
    return together


def _import(source: str | Path) -> ModuleType:
    name = str(source)
    if name.endswith(".py") or Path(name).exists() or {os.sep, "/"} & {*name}:
        return _import_file(Path(name).resolve(), name)
    return _import_module(name)


def _import_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise LoadError(f"{name} is neither a file that is there nor the name of a module")
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        # The module is somebody else's code, and may raise anything while it is imported.
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise LoadError(
                f"there is no file and no module {name}; a file is given with its ending, .py"
            ) from error
        raise LoadError(f"importing {name} raised {type(error).__name__}: {error}") from error


def _import_file(path: Path, shown: str) -> ModuleType:
    # A name of its own, so that a file called `trio.py` shadows nothing.
    name = f"lash_trio_file_{path.stem}"
    loader = _ScriptLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise LoadError(f"{shown} cannot be imported")
    try:
        loader.get_code(name)
    except OSError as error:
        raise LoadError(f"{shown} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise LoadError(f"{shown} is not valid Python: {_where_invalid(error)}") from error
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        # The file is somebody else's code, and may raise anything while it is imported.
        raise LoadError(
            f"importing {shown} raised {type(error).__name__}: {error}{_where_raised(error, path)}"
        ) from error
    return module


def _definitions_in(module: ModuleType, source: str | Path) -> dict[str, ProcessDefinitions]:
    found: dict[str, ProcessDefinitions] = {}
    for name, value in vars(module).items():
        if isinstance(value, ProcessDefinitions) and value not in found.values():
            found[name] = value
    if not found:
        raise LoadError(
            f"{source} has no ProcessDefinitions; define `definitions = ProcessDefinitions()` at "
            "its top level and register its processes there"
        )
    return found


def _where_invalid(error: SyntaxError | ValueError) -> str:
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"line {error.lineno}: {error.msg}"
    return str(error)


def _where_raised(error: BaseException, path: Path) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f" (in its line {lines[-1]})" if lines else ""


class _ScriptLoader(SourceFileLoader):
    def path_stats(self, path: object) -> dict[str, object]:
        """Refuse, which is how a loader says that it keeps no byte code."""
        raise OSError("scripts are compiled on every run")
