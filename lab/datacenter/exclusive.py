"""Locks between commands. The kernel lets go of them however the holder ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .deadline import wait_until
from .errors import LabError


@contextmanager
def exclusive(file: Path, purpose: str, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lock of this file, after waiting for its holder if so wanted; else say who holds it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lock:
        if wait_seconds:
            wait_until(f"the end of: {purpose}, by another command", lambda: _take(lock), wait_seconds)
        else:
            _take(lock)
        lock.truncate(0)
        lock.write(f"{purpose}, process {os.getpid()}")
        lock.flush()
        yield


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        raise LabError(f"another command is at work: {lock.read()}") from error
    return True
