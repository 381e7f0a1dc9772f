"""Run operations that wait for servers, many at once, on one thread and one clock.

A task is a generator. It yields what it waits for and is sent the outcome:

- a `Call`: its `Answer`;
- a list of calls, made at once: the list of their answers;
- a `Sleep`: nothing, later;
- an `AllOf`: tasks run side by side, at most `window` at once; their outcomes, in order;
- an `Aside`: nothing, at once; its task runs beside this one.

The same tasks run on Salt's bus and on the simulated fleet's virtual clock, in the same order.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8s_lifecycle.action.fleet import Answer, Call, Fleet, Ticket

Task = Generator[Any, Any, Any]


@dataclass(frozen=True)
class Sleep:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class AllOf:
    """Run tasks side by side, at most `window` at once. `go_on` is asked before each new one is started.

    tasks: functions that make the task, so that one that is never started was never made.
    The outcome of a task is what it returned, the exception that it raised, or None if it was not started.
    """

    tasks: Sequence[Callable[[], Task]]
    window: int
    go_on: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Aside:
    """Run a task for which nobody waits: the run ends without it, and ends if it raises."""

    task: Task


@dataclass
class _Task:
    generator: Task
    done: Callable[[Any, BaseException | None], None]


@dataclass
class _Calls:
    """The answers that one task waits for together."""

    task: _Task
    answers: list[Any]
    left: int
    single: bool


@dataclass(order=True)
class _Timer:
    due: float
    number: int
    task: _Task = field(compare=False)


class Scheduler:
    """One run's tasks on a fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._waiting: dict[Ticket, tuple[_Calls, int]] = {}
        self._timers: list[_Timer] = []
        self._numbers = itertools.count()

    def run(self, task: Task, background: Sequence[Task] = ()) -> Any:
        """Run a task to its end and return what it returns; background tasks run along until then.

        An exception that the task or a background task does not handle ends the run.
        """
        ended: list[Any] = []

        def end(value: Any, error: BaseException | None) -> None:
            _raise(value, error)
            ended.append(value)

        for companion in background:
            self._resume(_Task(companion, _raise), None)
        self._resume(_Task(task, end), None)
        while not ended:
            self._wait()
        return ended[0]

    def _wait(self) -> None:
        deadline = self._timers[0].due if self._timers else self._fleet.now() + 3600
        arrived = self._fleet.next(deadline)
        if arrived:
            self._arrived(*arrived)
        while self._timers and self._timers[0].due <= self._fleet.now():
            self._resume(heapq.heappop(self._timers).task, None)

    def _arrived(self, ticket: Ticket, answer: Answer) -> None:
        if ticket not in self._waiting:  # an earlier run on this fleet asked, and ended before
            return
        calls, place = self._waiting.pop(ticket)
        calls.answers[place] = answer
        calls.left -= 1
        if calls.left == 0:
            self._resume(calls.task, calls.answers[0] if calls.single else calls.answers)

    def _resume(self, task: _Task, value: Any) -> None:
        try:
            wanted = task.generator.send(value)
        except StopIteration as stop:
            task.done(stop.value, None)
        except Exception as error:  # it belongs to whoever waits for this task
            task.done(None, error)
        else:
            self._start(task, wanted)

    def _start(self, task: _Task, wanted: Any) -> None:
        match wanted:
            case Call():
                self._call(task, [wanted], single=True)
            case list():
                self._call(task, wanted, single=False)
            case Sleep(seconds):
                due = self._fleet.now() + seconds
                heapq.heappush(self._timers, _Timer(due, next(self._numbers), task))
            case AllOf():
                self._all_of(task, wanted)
            case Aside():
                self._resume(_Task(wanted.task, _raise), None)
                self._resume(task, None)
            case _:
                raise TypeError(f"a task yielded {wanted!r}")

    def _call(self, task: _Task, wanted: Sequence[Call], single: bool) -> None:
        if not wanted:
            self._resume(task, [])
            return
        calls = _Calls(task, [None] * len(wanted), len(wanted), single)
        for place, ticket in enumerate(self._fleet.start(wanted)):
            self._waiting[ticket] = (calls, place)

    def _all_of(self, task: _Task, wanted: AllOf) -> None:
        _Group(self._resume, task, wanted).fill()


class _Group:
    """The tasks of one `AllOf`: keeps the window full until none is left or none may start."""

    def __init__(self, resume: Callable[[_Task, Any], None], parent: _Task, wanted: AllOf) -> None:
        self._resume = resume
        self._parent = parent
        self._wanted = wanted
        self._places = iter(range(len(wanted.tasks)))
        self._outcomes: list[Any] = [None] * len(wanted.tasks)
        self._running = 0
        self._filling = False

    def fill(self) -> None:
        if self._filling:  # a task that ends at once comes back here from inside the loop below
            return
        self._filling = True
        while self._running < self._wanted.window and self._wanted.go_on():
            place = next(self._places, None)
            if place is None:
                break
            self._running += 1
            self._resume(_Task(self._wanted.tasks[place](), self._ending(place)), None)
        self._filling = False
        if self._running == 0:
            self._resume(self._parent, self._outcomes)

    def _ending(self, place: int) -> Callable[[Any, BaseException | None], None]:
        def done(value: Any, error: BaseException | None) -> None:
            self._outcomes[place] = error or value
            self._running -= 1
            self.fill()

        return done


def _raise(value: Any, error: BaseException | None) -> None:
    if error:
        raise error
