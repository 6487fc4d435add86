"""The command as a program of its own: what only a real process can show."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from lash_trio.cli import main
from tests.cli.support import COMMAND, TIMEOUT_SECONDS, WriteFile, environment, run_command

NOISY = """
    import logging
    import os
    import subprocess
    import sys

    import trio
    from lash_trio import ProcessContext, ProcessDefinitions

    print("printed at import")
    definitions = ProcessDefinitions()

    @definitions.process("noisy", signals=["unheard"])
    async def noisy(ctx: ProcessContext):
        print("printed by the process")
        sys.__stdout__.write("written to the real stdout\\n")
        os.write(1, b"written to the descriptor\\n")
        await trio.run_process(["echo", "printed by a child"])
        return {"quiet": True}
"""

QUIET = """
    from lash_trio import ProcessContext, ProcessDefinitions

    definitions = ProcessDefinitions()

    @definitions.process("noisy")
    async def noisy(ctx: ProcessContext):
        print("printed by the process")
"""


def test_stdout_holds_the_result_alone(write_file: WriteFile) -> None:
    # Asked for by many CI services: colours then, but not in a pipe.
    done = run_command(
        "run", "-v", write_file(NOISY), "noisy", "--signal", "unheard", FORCE_COLOR="1"
    )
    assert done.returncode == 0
    assert done.stdout == b'{"quiet": true}\n'
    for words in (
        b"printed at import",
        b"printed by the process",
        b"written to the real stdout",
        b"written to the descriptor",
        b"printed by a child",
    ):
        assert words in done.stderr
    assert b"\x1b" not in done.stderr
    # What the library warns of reaches the user as well.
    assert b"ended with signals that it never waited for" in done.stderr


def test_a_result_is_utf8_whatever_the_locale(write_file: WriteFile) -> None:
    path = write_file(NOISY.replace('{"quiet": True}', '{"price": "5 \\u20ac"}'))
    done = run_command("run", path, "noisy", PYTHONUTF8="0", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert json.loads(done.stdout.decode()) == {"price": "5 \u20ac"}


def test_a_closed_stdout_is_no_reason_to_crash_before_the_end(write_file: WriteFile) -> None:
    path = write_file(QUIET)
    program = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "run", str(path), "noisy"],
        capture_output=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
        env=environment(),
    )
    assert b"completed" in program.stderr


@pytest.mark.parametrize("missing", [("click",), ("jinja2",), ("click", "rich")])
def test_without_the_extra_it_says_what_to_install(
    missing: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in missing:
        # How Python is told that there is no such module.
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    sentence = (
        f"lash-trio: the command needs {' and '.join(missing)}, which cannot be found; "
        "python -m pip install 'lash-trio[cli]' installs what it needs.\n"
    )
    assert capsys.readouterr() == (
        "",
        sentence,
    )


def test_importing_the_package_needs_no_extra() -> None:
    extra = "{'click', 'jinja2', 'platformdirs', 'pythonjsonlogger', 'rich'}"
    source = f"import sys, lash_trio.cli; print({extra} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
    assert done.stdout == b"set()\n"


def test_the_installed_script_is_the_same_command() -> None:
    script = Path(sys.executable).with_name("lash-trio")
    done = subprocess.run([script, "--version"], capture_output=True, check=True)
    assert done.stdout.decode() == f"lash-trio, version {version('lash-trio')}\n"


def test_what_is_loaded_only_where_it_is_needed() -> None:
    # Together they cost more than the rest of the command.
    source = "import sys; from lash_trio.cli._main import command; print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
    heavy = {b"apsw", b"jinja2", b"platformdirs", b"pythonjsonlogger", b"rich"}
    assert not heavy & set(done.stdout.split())
