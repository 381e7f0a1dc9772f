"""Servers that are noted, each served until that succeeds: beside all others, and again where it fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from k8s_lifecycle.action import spool
from k8s_lifecycle.action.scheduler import Aside, Sleep, Task

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0


@dataclass
class _Failed:
    """What went wrong with a server, for how long it is left then, and until when."""

    why: str
    pause: float
    until: float


class Asks:
    """The notes of a directory.

    One that could not be served is kept, also beyond the life of this process, and is tried again after a
    pause that grows, or when it asks again. Its failure is told once.
    """

    def __init__(self, directory: Path, now: Callable[[], float] = time.monotonic) -> None:
        self._directory, self._now = directory, now
        self._busy: set[str] = set()
        self._failed: dict[str, _Failed] = {}

    def begin(self) -> bool:
        """Return whether any is to be served now; none is being served any more."""
        self._busy.clear()
        return bool(self._due())

    def serve(self, batch: Callable[[Collection[str]], Task]) -> Task:
        """Serve until none is left to be served now. batch: serves some, and tells `ended` of each.

        Who asks meanwhile does not wait until the others are served: a silent server takes its time.
        """
        while (due := self._due()) or self._busy:
            if due:
                self._busy.update(due)
                yield Aside(batch(due))
            yield Sleep(LOOK_EVERY)

    def ended(self, server: str, wrong: str) -> None:
        """Note that a server was served, or what went wrong."""
        self._busy.discard(server)
        if not wrong:
            self._failed.pop(server, None)
            spool.done(self._directory, server)
            return
        before = self._failed.get(server)
        if before is None or before.why != wrong:
            log.warning("%s: %s; it is tried again until it succeeds", server, wrong)
        pause = min(2 * before.pause, LONGEST_PAUSE) if before else FIRST_PAUSE
        self._failed[server] = _Failed(wrong, pause, self._now() + pause)

    def _due(self) -> list[str]:
        for server in spool.take(self._directory, self._busy):
            if server in self._failed:
                self._failed[server].until = self._now()
        return [server for server in spool.taken(self._directory) if self._is_due(server)]

    def _is_due(self, server: str) -> bool:
        failed = self._failed.get(server)
        return server not in self._busy and (failed is None or failed.until <= self._now())
