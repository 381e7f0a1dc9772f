"""Try many points: each in a copy of this process (fork), as many at a time as there are processors.

A copy has everything that was simulated up to its point, so that this is simulated once for all points.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable

SHOWN = 5
LONGEST = 2000

IsPoint = Callable[[], bool]


def each(attempt: Callable[[int], None], points: Iterable[int]) -> list[str]:
    """Return what went wrong at which of these points."""
    copies = _Copies()
    for point in points:
        if copies.begin(point):
            copies.end(_said(lambda point=point: attempt(point)))
    return copies.findings()


def everywhere(attempt: Callable[[IsPoint], None], only: int | None = None, stride: int = 1) -> list[str]:
    """Return what went wrong at which events.

    attempt: lets a run go on and asks after each event whether this is the point. It is told so in a copy of
    the process, once, for each event; in this process never. only: the one event to try, without a copy.
    stride: try every stride-th event only.
    """
    copies = _Copies()
    count = -1

    def is_point() -> bool:
        nonlocal count
        count += 1
        if only is not None:
            return count == only
        return count % stride == 0 and copies.within is None and copies.begin(count)

    if only is not None:
        attempt(is_point)
        return []
    said = _said(lambda: attempt(is_point))
    if copies.within is not None:
        copies.end(said)
    return [*copies.findings(), *([f"without a fault: {said}"] if said else [])]


def assert_none(found: list[str], how: str) -> None:
    """Fail with the first findings, and how to see one of them again."""
    shown = "\n".join(found[:SHOWN])
    assert not found, f"{len(found)} points failed:\n{shown}\nsee one of them again: {how}"


class _Copies:
    """The copies that run, and what those that have ended found. within: the point, in a copy."""

    def __init__(self) -> None:
        self.within: int | None = None
        self._running: list[tuple[int, int]] = []
        self._found: list[str] = []
        self._out = -1

    def begin(self, point: int) -> bool:
        """Return twice: True in a new copy of this process, and False here."""
        if len(self._running) >= (os.cpu_count() or 1):
            self._collect()
        # A collection would write to all the memory that copies share, and so have it copied.
        gc.freeze()
        out, into = os.pipe()
        process = os.fork()
        if process == 0:
            self.within, self._out = point, into
            gc.disable()
            return True
        os.close(into)
        self._running.append((process, out))
        return False

    def end(self, said: str) -> None:
        """End this copy."""
        if said:
            os.write(self._out, f"{self.within}: {said}".encode()[:LONGEST])
        os._exit(0)

    def findings(self) -> list[str]:
        """Wait for all copies; return what they found."""
        while self._running:
            self._collect()
        return self._found

    def _collect(self) -> None:
        process, out = self._running.pop(0)
        with os.fdopen(out) as said:
            self._found += [text for text in [said.read()] if text]
        os.waitpid(process, 0)


def _said(act: Callable[[], None]) -> str:
    """Return what went wrong; a fault in the code under test is a finding, too."""
    try:
        act()
    except Exception as error:
        notes = "; ".join(getattr(error, "__notes__", ()))
        return f"{type(error).__name__}: {str(error)[:1000]} {notes}".rstrip()
    return ""
