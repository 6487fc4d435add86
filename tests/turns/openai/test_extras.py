"""Without its extra a part of the package says what to install."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("face", "missing", "extra"),
    [
        ("lash_trio.turns.openai", "httpx2", "lash-trio[openai]"),
        ("lash_trio.turns.code", "pydantic_monty", "lash-trio[code]"),
    ],
)
def test_what_is_missing_is_named(face: str, missing: str, extra: str) -> None:
    # None is how the import system is told that a module is not there.
    program = f"import sys; sys.modules[{missing!r}] = None; import {face}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"pip install '{extra}'" in done.stderr.splitlines()[-1]
