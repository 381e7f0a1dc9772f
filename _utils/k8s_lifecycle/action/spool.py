"""The servers that ask to join, one empty file each, until they are answered.

Losing it costs nothing but time: a server asks until it has joined.
"""

from __future__ import annotations

from pathlib import Path


def put(directory: Path, server: str) -> None:
    """Note that a server asks; asking twice is asking once."""
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    (directory / server).touch(mode=0o640)


def take(directory: Path) -> list[str]:
    """Return who asks, and forget it."""
    found = sorted(directory.iterdir()) if directory.exists() else []
    for path in found:
        path.unlink()
    return [path.name for path in found]
