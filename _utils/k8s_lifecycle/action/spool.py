"""The servers that ask, one empty file each, until they are answered.

A note that is taken is put aside, where it outlives a master that dies; who asks meanwhile makes another one.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

_TAKEN = ".taken"


def put(directory: Path, server: str) -> None:
    """Note that a server asks; asking twice is asking once."""
    _make(directory)
    (directory / server).touch(mode=0o640)


def take(directory: Path, busy: Collection[str] = ()) -> list[str]:
    """Return who asks since the last time, but for those that are being answered."""
    _make(directory)
    found = sorted(path.name for path in directory.iterdir() if path.is_file() and path.name not in busy)
    for server in found:
        (directory / server).replace(directory / _TAKEN / server)
    return found


def taken(directory: Path) -> list[str]:
    """Return who was taken, and is not answered yet."""
    return sorted(path.name for path in (directory / _TAKEN).iterdir())


def done(directory: Path, server: str) -> None:
    """Forget a server that was answered."""
    (directory / _TAKEN / server).unlink(missing_ok=True)


def _make(directory: Path) -> None:
    for folder in (directory, directory / _TAKEN):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
