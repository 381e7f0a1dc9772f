"""Servers that ask to join by themselves, and the master that serves them.

The desk, its answers and its runs are the real ones. Simulated are the servers' highstate and schedule, the
bus that carries the ask, and that the desk stands still while its run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8s_lifecycle.action import joins
from k8s_lifecycle.action.join_desk import LOCKED_OUT, JoinDesk
from k8s_lifecycle.action.scheduler import Scheduler
from k8s_lifecycle.decision.joining import Verdict
from k8s_lifecycle.model.spec import Catalogue
from k8s_lifecycle.server import asking
from simulator.clock import Steps
from simulator.fleet import MasterCrashError
from simulator.scenario import Datacenter
from simulator.server import Ask, Server

SCHEDULE_SECONDS = 60.0
HIGHSTATE_SECONDS = 8.0
KILLED = -9

Dies = Callable[[], bool]


@dataclass(frozen=True)
class Ended:
    """A run that has ended."""

    code: int

    def poll(self) -> int:
        """Return its exit code."""
        return self.code


def begin_to_ask(datacenter: Datacenter, server: Server, startup_states: bool) -> None:
    """Let a server run its highstate now, perhaps at every boot, and its schedule until it has joined."""
    world = datacenter.world

    def told(event: str, what: dict[str, Any]) -> None:
        if event == "booted" and what["server"] == server.id:
            runs = _highstate(datacenter, server) if startup_states else _schedule(datacenter, server)
            server.detached.append(world.clock.spawn(runs))

    world.listeners.append(told)
    server.detached.append(world.clock.spawn(_highstate(datacenter, server)))


def _highstate(datacenter: Datacenter, server: Server) -> Steps:
    """Make a server ready that has a place in the cluster; let it ask unless it is a node."""
    yield datacenter.world.seconds(HIGHSTATE_SECONDS)
    if server.disk.kubelet_conf and not server.disk.ask:
        return
    if server.disk.version is None and datacenter.spec.role_of(server.id):
        server.disk.version = datacenter.spec.kubernetes.version
        datacenter.world.start_kubelet(server)
    yield from _ask(datacenter, server)
    yield from _schedule(datacenter, server)


def _schedule(datacenter: Datacenter, server: Server) -> Steps:
    while server.disk.ask:
        yield SCHEDULE_SECONDS
        ask = server.disk.ask
        if ask and datacenter.world.now - ask.at >= asking.pause(ask.times):
            yield from _ask(datacenter, server)


def _ask(datacenter: Datacenter, server: Server) -> Steps:
    """Remember the ask first, then send the event, which the reactor notes."""
    before = server.disk.ask or Ask(0, 0)
    server.disk.ask = Ask(before.times + 1, datacenter.world.now, before.answer)
    yield datacenter.world.seconds(0.3)
    datacenter.asks.add(server.id)


class Master:
    """The master's engine: a desk that forgets everything when the master dies.

    dies: whether the master dies now. run_dies: whether only the run that the desk has started does.
    """

    def __init__(
        self, datacenter: Datacenter, dies: Dies = lambda: False, run_dies: Dies = lambda: False
    ) -> None:
        self._datacenter = datacenter
        self._dies, self._run_dies = dies, run_dies
        self._catalogue = Catalogue(Path("/srv/clusters"), {datacenter.spec.name: datacenter.spec})
        world = datacenter.world
        self._desk = JoinDesk(self._take, self._answer, self._start, lambda: world.now)

    def serve(self, until: Callable[[], bool], seconds: float) -> None:
        """Serve until something holds, or until so many seconds have passed; one look every second."""
        world = self._datacenter.world
        end = world.now + seconds
        while world.now < end and not until():
            self._desk.turn()
            self._datacenter.fleet(dies=self._dies).next(world.now + 1)

    def _take(self) -> Sequence[str]:
        taken = sorted(self._datacenter.asks)
        self._datacenter.asks.clear()
        return taken

    def _answer(self, servers: Collection[str]) -> dict[str, Verdict]:
        fleet = self._datacenter.fleet(dies=self._dies)
        verdicts: dict[str, Verdict] = Scheduler(fleet).run(joins.answer(self._catalogue, servers))
        return verdicts

    def _start(self, servers: Sequence[str]) -> Ended:
        killed = False

        def dies() -> bool:
            nonlocal killed
            killed = self._run_dies()
            return killed or self._dies()

        try:
            report = self._datacenter.join(servers, self._datacenter.fleet(dies=dies))
        except MasterCrashError:
            self._datacenter.dead.add(f"run-{self._datacenter.runs}")
            if not killed:
                raise
            return Ended(KILLED)
        return Ended(LOCKED_OUT if report.locked_out else 0 if report.ok else 1)
