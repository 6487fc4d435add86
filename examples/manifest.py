"""A manifest of a directory: every file with its size and SHA-256, once somebody approves.

    lash-trio run examples/manifest.py manifest --args '{"directory": "."}' \
        --signal approve='{"by": "me"}'

What a durable host would record of it is small: a step for each directory (the
names in it) and a step for each file (its size and digest).  Files are hashed
side by side, each in a child task of its own, so the replay key of a step follows
from the place of the file in the sorted tree and not from which thread is first.
"""

from __future__ import annotations

import hashlib
import os
import stat
from io import FileIO
from pathlib import Path, PurePosixPath

import attrs
import trio

from lash_trio import (
    JsonValue,
    ProcessContext,
    ProcessDefinitions,
    ProcessEventType,
    from_json,
    to_json,
)

CHUNK_BYTES = 1 << 20

definitions = ProcessDefinitions()


@attrs.frozen(kw_only=True)
class Listing:
    """What is in one directory: names, sorted, and what cannot be hashed with the reason."""

    files: list[str] = attrs.field(factory=list[str])
    directories: list[str] = attrs.field(factory=list[str])
    skipped: dict[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen(kw_only=True)
class Digest:
    """One file: either size and digest, or why it could not be read."""

    size: int = 0
    sha256: str = ""
    problem: str = ""


@attrs.define(kw_only=True)
class Tree:
    """What has been found below a directory, by relative path."""

    files: list[str] = attrs.field(factory=list[str])
    digests: dict[str, Digest] = attrs.field(factory=dict[str, Digest])
    skipped: dict[str, str] = attrs.field(factory=dict[str, str])


@definitions.process(
    "manifest",
    signals={
        "approve": {
            "type": "object",
            "required": ["by"],
            "properties": {"by": {"type": "string"}},
        }
    },
    events=[ProcessEventType(name="manifest.listed"), ProcessEventType(name="manifest.hashed")],
)
async def manifest(
    ctx: ProcessContext, directory: str, limit: int = 8, exclude: list[str] | None = None
) -> dict[str, JsonValue]:
    """List, hash, wait for the approval, and return the manifest.

    Args:
        ctx: of the process.
        directory: the top; links below it are not followed.
        limit: how many files are hashed at once.
        exclude: names of files and directories that are left out, wherever they are.
    """
    if limit < 1:
        raise ValueError(f"limit: expected a number of files from 1 on, got {limit}")
    tree = Tree()
    await list_tree(ctx, directory, frozenset(exclude or ()), tree)
    await ctx.emit("manifest.listed", {"files": len(tree.files)})
    await hash_files(ctx, directory, limit, tree)
    await ctx.emit("manifest.hashed", {"bytes": total_bytes(tree)})
    approval = from_json(dict[str, JsonValue], await ctx.wait_signal("approve"))
    return {
        "directory": directory,
        "approved_by": approval["by"],
        "files": [
            {"path": path, "size": digest.size, "sha256": digest.sha256}
            for path, digest in sorted(tree.digests.items())
        ],
        "skipped": [
            {"path": path, "reason": reason} for path, reason in sorted(tree.skipped.items())
        ],
        "totals": {
            "files": len(tree.digests),
            "bytes": total_bytes(tree),
            "skipped": len(tree.skipped),
        },
    }


async def list_tree(
    ctx: ProcessContext, directory: str, exclude: frozenset[str], tree: Tree
) -> None:
    """List the directory and all below it, in one fixed order, a step for each."""
    left = [PurePosixPath()]
    while left:
        below = left.pop()
        listing = from_json(Listing, await ctx.step("list", list_directory, directory, str(below)))
        tree.files += [str(below / name) for name in listing.files if name not in exclude]
        tree.skipped |= {
            str(below / name): why for name, why in listing.skipped.items() if name not in exclude
        }
        left += [below / name for name in reversed(listing.directories) if name not in exclude]


async def hash_files(ctx: ProcessContext, directory: str, limit: int, tree: Tree) -> None:
    """Hash all files, so many at once, a step for each."""
    limiter = trio.CapacityLimiter(limit)

    async def hash_one(path: str) -> None:
        async with limiter:
            digest = from_json(Digest, await ctx.step("hash", hash_file, directory, path))
        if digest.problem:
            tree.skipped[path] = digest.problem
        else:
            tree.digests[path] = digest

    async with ctx.open_nursery() as nursery:
        for path in tree.files:
            nursery.start_soon(hash_one, path)


async def list_directory(top: str, below: str) -> JsonValue:
    """The step of one directory."""
    return to_json(await trio.to_thread.run_sync(read_directory, Path(top, below), below == "."))


async def hash_file(top: str, path: str) -> JsonValue:
    """The step of one file."""
    return to_json(await trio.to_thread.run_sync(read_file, Path(top, path)))


def read_directory(path: Path, is_top: bool) -> Listing:
    """What is in a directory; one below the top that cannot be read is a problem as data."""
    listing = Listing()
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        if is_top:
            raise
        return Listing(skipped={".": reason(error)})
    for entry in entries:
        # Names are bytes on Unix; those that are no UTF-8 cannot be put into JSON.
        name = entry.name.encode(errors="backslashreplace").decode()
        if name != entry.name:
            listing.skipped[name] = "the name is not valid Unicode"
        elif entry.is_symlink():
            listing.skipped[name] = "a symbolic link"
        elif entry.is_dir():
            listing.directories.append(name)
        elif entry.is_file():
            listing.files.append(name)
        else:
            listing.skipped[name] = "not a regular file"
    return listing


def read_file(path: Path) -> Digest:
    """Size and digest of a file, a chunk at a time."""
    try:
        with open_regular(path) as file:
            hashed, size = hashlib.sha256(), 0
            while chunk := file.read(CHUNK_BYTES):
                # Between two chunks a cancelled step can end.
                trio.from_thread.check_cancelled()
                hashed.update(chunk)
                size += len(chunk)
    except OSError as error:
        return Digest(problem=reason(error))
    return Digest(size=size, sha256=hashed.hexdigest())


def open_regular(path: Path) -> FileIO:
    """Open a regular file; one that has become a link or a pipe meanwhile is refused."""
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    file = FileIO(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | safe))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("not a regular file")
    return file


def total_bytes(tree: Tree) -> int:
    """The sizes of all hashed files together."""
    return sum(digest.size for digest in tree.digests.values())


def reason(error: OSError) -> str:
    """Why the system refused, in its words and without a path."""
    return error.strerror or str(error)
