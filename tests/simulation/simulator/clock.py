"""The virtual clock: processes that wait, and one event at a time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

FOREVER = float("inf")


@dataclass(frozen=True)
class Until:
    """Wait until a condition holds, at most for so many seconds; the process is sent whether it does."""

    condition: Callable[[], bool]
    seconds: float = FOREVER


Steps = Generator[float | Until, Any, Any]


@dataclass(eq=False)
class Process:
    """A generator that yields for how long, or until what, it waits. Each resumption is one event."""

    steps: Steps
    done: Callable[[Any, Exception | None], None]
    turn: int = 0
    waits: Until | None = None
    quiet: bool = False
    ended: bool = False

    def kill(self) -> None:
        """End it where it is: what it did stays done."""
        self.ended = True
        if not self.steps.gi_running:
            self.steps.close()


class Clock:
    """Virtual seconds, and the queue of what happens next: when, in which order, to which process."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events = 0
        self.after_each: list[Callable[[], None]] = []
        self.after_changes: list[Callable[[], None]] = []
        self._due: list[tuple[float, int, Process, int, Any]] = []
        self._waiting: dict[Process, None] = {}
        self._numbers = itertools.count()

    def spawn(
        self,
        steps: Steps,
        done: Callable[[Any, Exception | None], None] = lambda value, error: None,
        after: float = 0,
        quiet: bool = False,
    ) -> Process:
        """Start a process; `done` is called with what it returns or raises, never if it is killed.

        quiet: it changes nothing that a condition could be about.
        """
        process = Process(steps, done, quiet=quiet)
        self._at(self.now + after, process, None)
        return process

    def next_time(self) -> float:
        """Return when the next event is."""
        while self._due:
            time, _, process, turn, _ = self._due[0]
            if turn == process.turn and not process.ended:
                return time
            heapq.heappop(self._due)
        return FOREVER

    def step(self) -> None:
        """Let the next event happen."""
        self.now = max(self.now, self.next_time())
        _, _, process, _, value = heapq.heappop(self._due)
        self.events += 1
        process.turn += 1
        self._resume(process, value)
        if not process.quiet:
            self.settle()
            for watch in self.after_changes:
                watch()
        for watch in self.after_each:
            watch()

    def advance(self, seconds: float) -> None:
        """Let everything happen that is due within so many seconds."""
        end = self.now + seconds
        while self.next_time() <= end:
            self.step()
        self.now = end

    def settle(self) -> None:
        """Wake the processes whose condition has come true."""
        for process in list(self._waiting):
            if process.ended:
                del self._waiting[process]
            elif process.waits and process.waits.condition():
                del self._waiting[process]
                process.turn += 1
                self._at(self.now, process, True)

    def _at(self, time: float, process: Process, value: Any) -> None:
        heapq.heappush(self._due, (time, next(self._numbers), process, process.turn, value))

    def _resume(self, process: Process, value: Any) -> None:
        self._waiting.pop(process, None)
        try:
            wanted = process.steps.send(value)
        except StopIteration as stop:
            process.ended = True
            process.done(stop.value, None)
        except SimulatedError as error:
            process.ended = True
            process.done(None, error)
        else:
            self._wait(process, wanted)

    def _wait(self, process: Process, wanted: float | Until) -> None:
        if process.ended:  # it ended its own server
            return
        if isinstance(wanted, Until):
            process.waits = wanted
            self._waiting[process] = None
            if wanted.seconds != FOREVER:
                self._at(self.now + wanted.seconds, process, False)
        else:
            self._at(self.now + wanted, process, None)


class SimulatedError(Exception):
    """What a simulated function fails with, as an execution module does: a message for its caller."""
