"""The assistant: says what it did, and keeps the conversation."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "assistant.py"


@pytest.fixture
def assistant() -> ModuleType:
    """The example, loaded anew: nothing is noted yet."""
    spec = importlib.util.spec_from_file_location("assistant_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_it_uses_its_tools_and_remembers(
    assistant: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = str(tmp_path / "notes.db")
    await assistant.main(db, ["note: buy bread", "what did I note?"])
    first = capsys.readouterr().out
    assert first.splitlines() == [
        "you: note: buy bread",
        "assistant: Done: kept 'buy bread'.",
        "you: what did I note?",
        'assistant: Done: ["buy bread"].',
    ]
    await assistant.main(db, ["hello"])
    again = capsys.readouterr().out
    assert again.startswith(first)
    assert again.endswith("assistant: Say 'note: ...' to keep something.\n")
    assert list(assistant.notes.values()) == ["buy bread"], "no tool ran again"


async def test_a_note_needs_a_text(
    assistant: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await assistant.main(str(tmp_path / "notes.db"), ["note:"])
    assert "invalid_arguments: the arguments of 'add_note' do not fit" in capsys.readouterr().out
    assert assistant.notes == {}
