"""What the tests of the sandbox share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lash_trio import CodeOutput, ExecResponse, TurnStreamEvent
from lash_trio.turns.code import CodeLimits, CodeSandbox

#: Small enough for a test to run into any of them in no time.
TIGHT = CodeLimits(
    memory_bytes=16 * 1024 * 1024,
    run_seconds=0.3,
    slice_seconds=0.1,
    output_bytes=2000,
    value_bytes=10_000,
    tool_calls=5,
    sleep_seconds=5,
)


class Watch:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[TurnStreamEvent] = []

    async def send(self, event: TurnStreamEvent) -> None:
        self.events.append(event)

    @property
    def text(self) -> str:
        assert all(isinstance(event, CodeOutput) for event in self.events)
        return "".join(event.text for event in self.events if isinstance(event, CodeOutput))


async def run(code: str, limits: CodeLimits = TIGHT, **tools: object) -> ExecResponse:
    """What becomes of code; afterwards its process is gone."""
    response = await CodeSandbox(limits).run(code, tools=tools, events=Watch())  # type: ignore[arg-type]
    assert not list(sandboxes())
    return response


def sandboxes() -> Iterator[int]:
    """The interpreters that run for this process."""
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            name = Path(f"/proc/{child}/comm")
            if name.exists() and name.read_text().strip() == "monty":
                yield int(child)


def memory_bytes() -> int:
    """What this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
