"""The fleet port on the simulated world."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from k8s_lifecycle.action.fleet import Answer, Call, Outcome, Ticket
from simulator.clock import Process, Steps
from simulator.modules import FUNCTIONS
from simulator.server import Server
from simulator.world import World

SILENCE_SECONDS = 35.0
LATENCY = 0.1


def after(events: int) -> Callable[[], bool]:
    """Return what lets a master die after so many events of its run."""
    left = itertools.count(events - 1, -1)
    return lambda: next(left) < 0


class MasterCrashError(BaseException):
    """The master died: the run and all that it knew are gone. No `except Exception` may stop that."""


@dataclass(frozen=True)
class Fate:
    """What becomes of one call on the bus. late: seconds more until its answer; lost: it never comes."""

    late: float = 0
    lost: bool = False


@dataclass
class _Open:
    """A call whose answer was not taken yet. patience: what gives it up."""

    call: Call
    patience: Process
    answered: bool = False


Fates = Callable[[Call], Fate]
Waiter = Callable[["SimulatedFleet", float], None]


class SimulatedFleet:
    """One run's connection to the simulated servers. Waiting for an answer is what lets time pass.

    dies: asked after each event, whether the master dies. fates: what becomes of each call. waits: how time
    passes, where several runs share one world.
    """

    def __init__(
        self,
        world: World,
        dies: Callable[[], bool] = lambda: False,
        fates: Fates = lambda call: Fate(),
        waits: Waiter | None = None,
    ) -> None:
        self.world = world
        self.calls: list[Call] = []
        self.watchers: list[Callable[[str, Call, Answer | None], None]] = []
        self._dies = dies
        self._fates = fates
        self._waits = waits or _let_time_pass
        self._tickets = itertools.count(1)
        self._open: dict[Ticket, _Open] = {}
        self._arrived: deque[tuple[Ticket, Answer]] = deque()

    @property
    def heard(self) -> bool:
        """Whether an answer has arrived that nobody took yet."""
        return bool(self._arrived)

    def now(self) -> float:
        """Return the virtual time."""
        return self.world.now

    def known(self) -> frozenset[str]:
        """Return the ids of all servers."""
        return frozenset(self.world.servers)

    def start(self, calls: Sequence[Call]) -> list[Ticket]:
        """Send each call to its server."""
        return [self._send(call) for call in calls]

    def next(self, deadline: float) -> tuple[Ticket, Answer] | None:
        """Return the next answer, as soon as it arrives, or None at the deadline."""
        while not self._arrived and self.world.now < deadline:
            self._waits(self, deadline)
            if self._dies():
                raise MasterCrashError
        if not self._arrived:
            return None
        ticket, answer = self._arrived.popleft()
        self._tell("answered", self._open.pop(ticket).call, answer)
        return ticket, answer

    def _send(self, call: Call) -> Ticket:
        ticket = next(self._tickets)
        self.calls.append(call)
        self._tell("called", call, None)
        server = self.world.servers.get(call.server)
        heard = server is not None and server.hears
        patience = call.timeout if heard else min(call.timeout, SILENCE_SECONDS)
        missing = Answer(
            call.server, Outcome.MISSING, error=f"{call.function}: no answer for {patience:.0f} s"
        )
        self._open[ticket] = _Open(call, self._deliver(ticket, missing, patience))
        if server is not None and heard:
            self._begin(ticket, call, server)
        return ticket

    def _begin(self, ticket: Ticket, call: Call, server: Server) -> None:
        """Run the job on its server, and send its answer as its fate wants."""
        fate = self._fates(call)

        def lost() -> None:
            error = f"{call.function}: its minion no longer runs the job and returned nothing"
            self._deliver(ticket, Answer(call.server, Outcome.MISSING, error=error), SILENCE_SECONDS)

        def ended(value: Any, error: Exception | None) -> None:
            del server.jobs[job]
            if fate.lost or server.silent:
                lost()
                return
            outcome = Outcome.FAILED if error else Outcome.OK
            answer = Answer(call.server, outcome, value, str(error or ""))
            self._deliver(ticket, answer, LATENCY + fate.late)

        steps = FUNCTIONS[call.function](self.world, server, **call.arguments)
        job = self.world.clock.spawn(steps, ended, after=LATENCY)
        server.jobs[job] = lost

    def _deliver(self, ticket: Ticket, answer: Answer, after: float) -> Process:
        """Let an answer arrive after so many seconds, unless another one does before."""

        def arrive() -> Steps:
            waiting = self._open.get(ticket)
            if waiting and not waiting.answered:
                waiting.answered = True
                waiting.patience.kill()
                self._arrived.append((ticket, answer))
            return
            yield

        return self.world.clock.spawn(arrive(), after=after, quiet=True)

    def _tell(self, what: str, call: Call, answer: Answer | None) -> None:
        for watch in self.watchers:
            watch(what, call, answer)


def _let_time_pass(fleet: SimulatedFleet, deadline: float) -> None:
    """One event, or nothing until the deadline."""
    clock = fleet.world.clock
    if clock.next_time() <= deadline:
        clock.step()
    else:
        clock.now = deadline
