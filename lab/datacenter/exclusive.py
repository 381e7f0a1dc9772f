"""One command at a time changes which servers there are."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import LabError
from .paths import LAB

_FILE = LAB / "lock"


@contextmanager
def exclusive(command: str) -> Iterator[None]:
    """Hold the lab's lock, or say who does. The kernel lets go of it however the holder ends."""
    LAB.mkdir(parents=True, exist_ok=True)
    with _FILE.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise LabError(f"another command is at work: {file.read()}") from error
        file.truncate(0)
        file.write(f"lab/dc {command}, process {os.getpid()}")
        file.flush()
        yield
