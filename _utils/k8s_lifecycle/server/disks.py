"""The disks of this server, from /sys/block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_SECTOR = 512  # /sys/block counts in these, whatever the disk does


def look(block: Path = Path("/sys/block")) -> list[dict[str, Any]]:
    """Return each disk with its name and size in bytes: what has a device behind it, and a medium in it."""
    found = ((disk.name, _size(disk)) for disk in sorted(block.glob("*")) if (disk / "device").exists())
    return [{"name": name, "size": size} for name, size in found if size]


def _size(disk: Path) -> int:
    try:
        return int((disk / "size").read_text(encoding="ascii")) * _SECTOR
    except (OSError, ValueError):  # it was pulled out
        return 0
