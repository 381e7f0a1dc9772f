"""Where servers that ask to join are served: answered at once, joined in one run a cluster at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from k8s_lifecycle.decision.joining import Verdict

log = logging.getLogger(__name__)

# Servers that are started together ask together: a run waits this long for company, and no longer in all.
COMPANY = 3.0
PATIENCE = 15.0

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 120.0
LOCKED_OUT = 4


class Process(Protocol):
    """A run in a process of its own."""

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""


@dataclass
class _Queue:
    """One cluster's servers. since: who may join, and when it asked; joining: for whom a run is at work."""

    since: dict[str, float] = field(default_factory=dict)
    joining: frozenset[str] = frozenset()
    process: Process | None = None
    locked_out: int = 0
    not_before: float = 0.0

    def due(self, now: float) -> bool:
        if self.process or not self.since or now < self.not_before:
            return False
        return now - max(self.since.values()) >= COMPANY or now - min(self.since.values()) >= PATIENCE


class JoinDesk:
    """Takes servers that ask, answers them, and starts a run for those that may join.

    asking: returns who asks. answer: gives each its verdict. start: starts the run that joins servers.
    """

    def __init__(
        self,
        asking: Callable[[], Sequence[str]],
        answer: Callable[[Collection[str]], dict[str, Verdict]],
        start: Callable[[Sequence[str]], Process],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asking, self._answer, self._start, self._now = asking, answer, start, now
        self._queues: dict[str, _Queue] = {}

    def turn(self) -> None:
        """Do what is to be done now; waits for nothing but the servers' confirmation."""
        for cluster, queue in self._queues.items():
            self._reap(cluster, queue)
        servers = self._asking()
        if servers:
            self._enqueue(self._answer(servers))
        for queue in self._queues.values():
            if queue.due(self._now()):
                self._begin(queue)

    def _enqueue(self, verdicts: dict[str, Verdict]) -> None:
        for server, verdict in verdicts.items():
            if verdict.accepted:
                queue = self._queues.setdefault(verdict.cluster, _Queue())
                if server not in queue.joining:
                    queue.since.setdefault(server, self._now())

    def _begin(self, queue: _Queue) -> None:
        queue.joining = frozenset(queue.since)
        queue.since.clear()
        queue.process = self._start(sorted(queue.joining))

    def _reap(self, cluster: str, queue: _Queue) -> None:
        """See how a run ended. Servers that did not join ask again, unless the run never began."""
        code = queue.process.poll() if queue.process else None
        if code is None:
            return
        if code == LOCKED_OUT:
            pause = min(FIRST_PAUSE * 2**queue.locked_out, LONGEST_PAUSE)
            log.info("%s: another run has the lock; the joins are tried again in %.0f s", cluster, pause)
            queue.locked_out += 1
            queue.not_before = self._now() + pause
            queue.since.update(dict.fromkeys(queue.joining, self._now()))
        else:
            queue.locked_out, queue.not_before = 0, 0.0
        queue.process, queue.joining = None, frozenset()
