"""Code that means no good, or cannot stop."""

from __future__ import annotations

import time

import attrs
import pytest
import trio

from lash_trio import EffectError, InvalidValueError
from lash_trio.turns.code import CodeLimits, CodeSandbox

from .support import TIGHT, Watch, memory_bytes, run, sandboxes

#: Far above all of the limits, far below what an endless loop takes.
SOON_SECONDS = 3.0


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "try:\n  while True: pass\nexcept BaseException: pass",
        "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
        "sum(range(10**12))",
        "while True: print('x' * 1000)",
        "def f(): f()\ntry: f()\nexcept RecursionError: pass\nwhile True: pass",
    ],
)
async def test_code_without_end_is_stopped(code: str) -> None:
    before = time.monotonic()
    response = await run(code)
    assert time.monotonic() - before < SOON_SECONDS
    assert "TimeoutError" in (response.error or "")


async def test_many_slices_are_stopped_as_one_run() -> None:
    async def tool() -> None:
        await trio.lowlevel.checkpoint()

    limits = attrs.evolve(TIGHT, slice_seconds=5, run_seconds=0.2, tool_calls=10**6)
    before = time.monotonic()
    code = "while True:\n  for _ in range(30_000): pass\n  tool()"
    response = await run(code, limits, tool=tool)
    assert time.monotonic() - before < SOON_SECONDS
    assert "TimeoutError" in (response.error or "")
    assert len(response.tool_calls) > 1


@pytest.mark.parametrize(
    "code",
    [
        "x = []\nwhile True: x.append('a' * 10_000)",
        "'a' * 10**12",
        "[0] * 10**12",
        "10**10**10",
        "1 << 10**12",
        "bytes(10**12)",
        "x = 'a'\nwhile True: x += x",
        "' '.join(['a' * 10**6] * 10**6)",
        "'%10000000000d' % 1",
        "f'{1:10000000000}'",
        "[x for x in range(10**9)]",
        "x = {}\nfor i in range(10**9): x[i] = i",
    ],
)
async def test_code_that_allocates_is_stopped_in_its_own_process(code: str) -> None:
    before, ours = time.monotonic(), memory_bytes()
    response = await run(code, attrs.evolve(TIGHT, slice_seconds=2, run_seconds=2))
    assert time.monotonic() - before < SOON_SECONDS
    assert response.error is not None
    assert memory_bytes() - ours < 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError"),
        ("f = lambda: f()\nf()", "RecursionError"),
        ("class A:\n  def __repr__(self): return repr(self)\nrepr(A())", "Error"),
        ("(" * 100_000, "SyntaxError"),
        ("-" * 100_000 + "1", "SyntaxError"),
        ("[" * 5000 + "]" * 5000, "SyntaxError"),
    ],
)
async def test_code_that_is_deep_is_stopped(code: str, error: str) -> None:
    response = await run(code)
    assert error in (response.error or "")


async def test_values_that_are_small_there_and_huge_here() -> None:
    async def tool(x: object) -> None:
        raise AssertionError("the argument is refused")

    bomb = "a = [0] * 10\n" + "a = [a] * 10\n" * 15
    ours = memory_bytes()
    response = await run(f"{bomb}a")
    assert "larger than" in response.observations[0]
    response = await run(f"{bomb}tool(a)", tool=tool)
    assert "larger than" in (response.error or "")
    assert memory_bytes() - ours < 16 * 1024 * 1024


async def test_output_is_kept_up_to_its_limit() -> None:
    watch = Watch()
    response = await CodeSandbox(TIGHT).run(
        "print('x' * 1_000_000)\nprint('more')\n1", tools={}, events=watch
    )
    assert response.error is None
    printed, value = response.observations
    assert printed.startswith("x" * 2000)
    assert len(printed) < 2100
    assert "left out" in printed
    assert watch.text == printed
    assert value == "1"


async def test_errors_are_of_bounded_length() -> None:
    response = await run("raise ValueError('x' * 1_000_000)")
    assert response.error is not None
    assert len(response.error) < 4100


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "open('new', 'w').write('x')",
        "import os\nos.listdir('/')",
        "import os\nos.environ['HOME']",
        "import os\nos.getenv('HOME')",
        "import os\nos.system('id')",
        "import os\nos.kill(1, 9)",
        "import pathlib\npathlib.Path('/etc/passwd').read_text()",
        "import pathlib\npathlib.Path('/').iterdir()",
        "import socket",
        "import subprocess",
        "import ctypes",
        "import urllib.request",
        "import pydantic_monty",
        "import lash_trio",
        "__import__('os').system('id')",
        "().__class__.__base__.__subclasses__()",
        "print.__self__.__import__('os')",
        'eval(\'__import__("os").system("id")\')',
        "exec('import socket')",
        "(lambda: 0).__globals__['__builtins__']",
        "input('?')",
        "breakpoint()",
        "raise KeyboardInterrupt",
        "raise SystemExit(3)",
        "quit()",
    ],
)
async def test_what_is_outside_cannot_be_reached(code: str) -> None:
    response = await run(code)
    assert response.error is not None
    assert response.terminal_finish is None


async def test_a_tool_has_no_more_of_us_than_its_name() -> None:
    async def tool() -> None:
        await trio.lowlevel.checkpoint()

    for code in ("tool.__globals__", "tool.__closure__", "tool.__code__", "tool.__self__"):
        response = await run(code, tool=tool)
        assert "AttributeError" in (response.error or "")


async def test_calls_of_tools_are_counted() -> None:
    calls = 0

    async def tool() -> None:
        nonlocal calls
        calls += 1
        await trio.lowlevel.checkpoint()

    code = "while True:\n  try:\n    tool()\n  except BaseException: pass"
    response = await run(code, tool=tool)
    assert response.error == "more than 5 calls of tools"
    assert calls == len(response.tool_calls) == 5


async def test_names_that_are_looked_up_forever() -> None:
    code = "while True:\n  try:\n    undefined\n  except NameError: pass"
    response = await run(code, attrs.evolve(TIGHT, slice_seconds=2, run_seconds=2))
    assert response.error is not None


@pytest.mark.parametrize(
    "argument", ["6", "2**62", "1e300", "float('inf')", "float('nan')", "-1", "'x'", ""]
)
async def test_sleeping_is_limited(argument: str) -> None:
    response = await run(f"import time\ntime.sleep({argument})")
    assert response.error is not None or argument == "-1"


@pytest.mark.parametrize("limit", ["memory_bytes", "run_seconds", "slice_seconds", "output_bytes"])
def test_limits_are_numbers_above_zero(limit: str) -> None:
    for value in (0, -1, float("inf"), float("nan")):
        with pytest.raises(InvalidValueError, match=limit):
            CodeLimits(**{limit: value})


async def test_an_interpreter_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONTY_BIN", "/nowhere/monty")
    with pytest.raises(EffectError) as caught:
        await run("1")
    assert caught.value.code == "code_sandbox_unavailable"
    assert not list(sandboxes())
