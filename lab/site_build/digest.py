"""Name a set of inputs by their content, so that an output knows whether it is still the right one."""

import hashlib
from pathlib import Path

LENGTH = 16


def digest_of(*parts: str | Path) -> str:
    """Digest texts and the files and directories behind paths; equal inputs give equal digests."""
    total = hashlib.sha256()
    for part in parts:
        record = f"text {part}" if isinstance(part, str) else _tree_record(part)
        total.update(hashlib.sha256(record.encode()).digest())
    return total.hexdigest()[:LENGTH]


def _tree_record(root: Path) -> str:
    """List every file under a path with its content's digest; where the root lies does not matter."""
    if root.is_file():
        return _file_record(root, root.name)
    files = sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return "\n".join(_file_record(path, path.relative_to(root).as_posix()) for path in files)


def _file_record(path: Path, name: str) -> str:
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    executable = "x" if path.stat().st_mode & 0o100 else "-"
    return f"file {name} {executable} {content}"
