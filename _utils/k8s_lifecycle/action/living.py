"""Which runs of this master are alive, so that the lock of one that was killed need not be waited for.

A run keeps a file of its own locked (flock) while it lives, and removes it when it has given everything back.
However else it ends, by an interrupt, a signal, a power cut, the kernel lets go of the file; so one that is
there and not locked is proof. A run without a file here may be another master's: nothing is known of it, and
its lock counts until it expires.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_KEPT_SECONDS = 86400


@contextmanager
def alive(directory: Path, run: str, gave_back: Callable[[], bool]) -> Iterator[None]:
    """Show that a run is alive, for as long as what is inside goes on.

    gave_back: whether, in the end, no lock of the run is left out there.
    """
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    _forget_old(directory)
    path = directory / run
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        if gave_back():  # however else it ends, its lock is still out there, and the file says so
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def is_dead(directory: Path, run: str) -> bool:
    """Whether a run of this master was cut off."""
    runs = directory.iterdir() if directory.is_dir() else ()
    if run not in {path.name for path in runs}:  # it was told by a server: any text
        return False
    try:
        handle = os.open(directory / run, os.O_WRONLY)
    except FileNotFoundError:  # it ended in this moment
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _forget_old(directory: Path) -> None:
    """Remove the files of runs that were cut off so long ago that their locks have expired."""
    for path in directory.iterdir():
        if time.time() - path.stat().st_mtime > _KEPT_SECONDS and is_dead(directory, path.name):
            path.unlink(missing_ok=True)
