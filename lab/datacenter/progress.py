"""Live progress for a person: one line per event, with the time since the command began."""

import sys
import time
from collections.abc import Callable

Say = Callable[[str], None]

_began = time.monotonic()


def say(message: str) -> None:
    """Print one progress line to standard error, which leaves standard output to results."""
    print(f"[{time.monotonic() - _began:6.1f}s] {message}", file=sys.stderr, flush=True)
