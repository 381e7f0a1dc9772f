"""Files that survive a power cut (the old content or the new one, never a part), and one writer at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from k8s_lifecycle.server.command import output


def write(path: Path, content: str | bytes, mode: int = 0o600, group: str | None = None) -> None:
    """Replace a file; its directory is made where it is missing, for root only.

    group: who else has the rights of a group, from the moment on when the file has its name.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        if group is not None:
            shutil.chown(draft, group=group)
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_directory(path.parent)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Let one process at a time do what is inside; the lock file's directory is made where it is missing."""
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def flush(directory: Path) -> None:
    """Put everything that other programs wrote to a directory's file system on disk."""
    output("sync", "--file-system", str(directory), timeout=120)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
