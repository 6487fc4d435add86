"""What ``lash-trio demo`` runs: the digests of the files of a directory, once approved.

``examples/manifest.py`` of the source is the one for real use; this one is slow on
purpose, so that there is a middle to be killed in, and notes which steps it runs.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import trio

from .. import JsonValue, ProcessContext, ProcessDefinitions, from_json

MOST_FILES = 32
AT_ONCE = 4

definitions = ProcessDefinitions()


@definitions.process("manifest", signals={"approve": {"type": "object", "required": ["by"]}})
async def manifest(
    ctx: ProcessContext, directory: str, notes: str, pause_seconds: float
) -> dict[str, JsonValue]:
    """List, hash side by side, wait for the approval, return the digests.

    Args:
        ctx: of the process.
        directory: the top.
        notes: the path of a file that gets a line for every step that runs.
        pause_seconds: how much longer than needed the step of a file takes.
    """
    names = from_json(list[str], await ctx.step("list", list_files, directory))
    digests: dict[str, JsonValue] = {}
    limiter = trio.CapacityLimiter(AT_ONCE)

    async def hash_one(name: str) -> None:
        async with limiter:
            digests[name] = await ctx.step("hash", hash_file, directory, name, notes, pause_seconds)

    async with ctx.open_nursery() as nursery:
        for name in names:
            nursery.start_soon(hash_one, name)
    approval = from_json(dict[str, JsonValue], await ctx.wait_signal("approve"))
    return {"files": dict(sorted(digests.items())), "approved_by": approval["by"]}


async def list_files(directory: str) -> JsonValue:
    """The step that lists: the first files of a directory and all below it, sorted."""
    return [*await trio.to_thread.run_sync(find_files, Path(directory))]


async def hash_file(directory: str, name: str, notes: str, pause_seconds: float) -> JsonValue:
    """The step of one file."""
    note(Path(notes), name)
    await trio.sleep(pause_seconds)
    return await trio.to_thread.run_sync(digest, Path(directory, name))


def find_files(top: Path) -> list[str]:
    """Relative paths of regular files; hidden ones, links and caches are left out."""
    found: list[str] = []
    for directory, below, names in os.walk(top):
        below[:] = sorted(name for name in below if not name.startswith((".", "__pycache__")))
        for name in sorted(names):
            path = Path(directory, name)
            relative = path.relative_to(top).as_posix()
            # Names are bytes on Unix; those that are no UTF-8 cannot be put into JSON.
            if relative.isprintable() and path.is_file() and not path.is_symlink():
                found.append(relative)
        if len(found) >= MOST_FILES:
            break
    return found[:MOST_FILES]


def digest(path: Path) -> str:
    """SHA-256 of a file, or why it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return error.strerror or str(error)


def note(path: Path, name: str) -> None:
    """Append a line in one write, so that it is whole or not there."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{name}\n".encode())
    finally:
        os.close(file)
