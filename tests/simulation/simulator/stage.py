"""Several runs on one world: each in a thread of its own, of which exactly one goes at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.clock import FOREVER
from simulator.fleet import Fate, Fates, MasterCrashError, SimulatedFleet
from simulator.world import World

Act = Callable[[SimulatedFleet], Any]


@dataclass(eq=False)
class Part:
    """One run: what it does, when it begins, and from when to when its master is frozen."""

    act: Act
    begins: float = 0
    frozen: tuple[float, float] = (FOREVER, FOREVER)
    dies: Callable[[], bool] = lambda: False
    fates: Fates = lambda call: Fate()
    result: Any = None
    fleet: SimulatedFleet | None = None
    deadline: float = 0
    ended: bool = False
    error: BaseException | None = None
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def wakes(self, now: float) -> float:
        """Return when it goes on."""
        begun = self.fleet is not None
        wanted = now if begun and self.fleet and self.fleet.heard else self.deadline
        start, end = self.frozen
        return end if start <= max(now, wanted) < end else wanted


class Stage:
    """Lets time pass for several runs, and gives the turn to whichever has something to do."""

    def __init__(self, world: World, parts: Sequence[Part]) -> None:
        self._world = world
        self._parts = parts
        self._back = threading.Semaphore(0)

    def play(self) -> list[Any]:
        """Play every part to its end; return what each returned, None for one whose master crashed."""
        threads = [threading.Thread(target=self._perform, args=(part,), daemon=True) for part in self._parts]
        for part, thread in zip(self._parts, threads, strict=True):
            part.deadline = self._world.now + part.begins
            thread.start()
        while waiting := [part for part in self._parts if not part.ended]:
            self._next(waiting)
        return [part.result for part in self._parts]

    def _next(self, waiting: Sequence[Part]) -> None:
        clock = self._world.clock
        first = min(waiting, key=lambda part: part.wakes(clock.now))
        if first.wakes(clock.now) <= clock.now:
            first.turn.release()
            self._back.acquire()
            if first.error:
                raise first.error
        elif clock.next_time() <= first.wakes(clock.now):
            clock.step()
        else:
            clock.now = first.wakes(clock.now)

    def _perform(self, part: Part) -> None:
        part.turn.acquire()
        try:
            part.fleet = SimulatedFleet(
                self._world, part.dies, part.fates, lambda _, until: self._wait(part, until)
            )
            part.result = part.act(part.fleet)
        except MasterCrashError:
            part.result = None
        except BaseException as error:
            part.error = error
        part.ended = True
        self._back.release()

    def _wait(self, part: Part, deadline: float) -> None:
        part.deadline = deadline
        self._back.release()
        part.turn.acquire()
