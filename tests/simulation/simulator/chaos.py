"""Faults by chance: what happens to the fleet and the bus while runs go on, all from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from k8s_lifecycle.action.fleet import Call
from k8s_lifecycle.action.operation import Report
from simulator.clock import FOREVER, Steps
from simulator.fleet import Fate, SimulatedFleet
from simulator.scenario import Datacenter, Shape
from simulator.stage import Part

SHAPES = (
    Shape(1, 0),
    Shape(1, 2),
    Shape(3, 0, schedulable=True),
    Shape(3, 2),
    Shape(3, 2, spares=2),
    Shape(3, 4),
    Shape(5, 1),
)
KINDS = ("cut", "cut", "silence", "restart", "mute")
WORKER_KINDS = ("cut", "silence", "restart", "reinstall")
DELICATE = ("minted", "kubeadm_starts", "member_added", "promoted", "approved", "registered", "resets")


@dataclass(frozen=True)
class Fault:
    """What strikes which server, for how long."""

    kind: str
    server: str
    lasts: float

    def __str__(self) -> str:
        return f"{self.kind} {self.server} for {self.lasts:.0f} s"


@dataclass
class Chaos:
    """The faults of one scenario. calm: when nothing strikes any more; trouble: what was planned."""

    seed: int
    datacenter: Datacenter = field(init=False)
    calm: float = field(init=False)
    trouble: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        pace = self._chance.choice((0.5, 1.0, 1.0, 4.0))
        shape = self._chance.choice(SHAPES)
        self.datacenter = Datacenter(shape, self.seed, pace, tears=self._maybe(0.5))
        self._length = 100 * pace
        self.calm = 4 * self._length
        self._losses = self._chance.choice((0.0, 0.0, 0.02, 0.1))
        self.trouble.append(f"{shape}, pace {pace}, {self._losses:.0%} of the answers late or lost")
        for _ in range(self._chance.choice((0, 1, 2, 3, 5))):
            self._plan_fault()

    def parts(self) -> list[Part]:
        """Return the runs: one, at times with a second one beside it, at times frozen or killed."""
        first = Part(self._provision, fates=self._fate)
        parts = [first]
        if self._maybe(0.3):
            world, when = self.datacenter.world, self._chance.uniform(0, self._length)
            first.dies = lambda: world.now > when
            self.trouble.append(f"the master dies at {when:.1f} s")
        if self._maybe(0.3):
            parts.append(Part(self._provision, self._chance.uniform(0, self._length), fates=self._fate))
            self.trouble.append(f"a second run begins at {parts[1].begins:.1f} s")
        if self._maybe(0.3):
            start = self._chance.uniform(0, self._length)
            first.frozen = (start, start + self._chance.uniform(10, 300))
            self.trouble.append("the first run is frozen from {:.1f} s to {:.1f} s".format(*first.frozen))
        return parts

    def again(self) -> Report:
        """Run once more while the trouble lasts."""
        return self._provision(self.datacenter.fleet(fates=self._fate))

    def _provision(self, fleet: SimulatedFleet) -> Report:
        return self.datacenter.provision(fleet)

    def _maybe(self, share: float) -> bool:
        return self._chance.random() < share

    def _fate(self, call: Call) -> Fate:
        """Most answers arrive, some late, some never."""
        if self.datacenter.world.now > self.calm or not self._maybe(self._losses):
            return Fate()
        return Fate(lost=True) if self._maybe(0.5) else Fate(late=self._chance.uniform(5, 90))

    def _plan_fault(self) -> None:
        world = self.datacenter.world
        server = self._chance.choice(sorted(world.servers))
        kinds = KINDS if server in self.datacenter.spec.control_plane.servers else WORKER_KINDS
        fault = Fault(self._chance.choice(kinds), server, self._chance.choice((2.0, 20.0, 60.0, 150.0)))
        if self._maybe(0.4):
            when = self._chance.uniform(0, 2) * self._length
            self.trouble.append(f"{fault}, at {when:.1f} s")
            world.clock.spawn(self._strike(fault), after=when)
        else:
            self._aim(fault)

    def _aim(self, fault: Fault) -> None:
        """Let a fault strike at a delicate moment of some server: that server itself, or another one."""
        moment, delay = self._chance.choice(DELICATE), self._chance.uniform(0, 4)
        skipped, at_home = self._chance.randrange(3), self._maybe(0.6)
        self.trouble.append(
            f"{fault}{' or that server' if at_home else ''}, {delay:.1f} s after a server was {moment}, "
            f"number {skipped + 1} of that"
        )

        def told(event: str, what: dict[str, Any]) -> None:
            nonlocal skipped
            if event != moment:
                return
            skipped -= 1
            if skipped == -1:
                home = what.get("server", what.get("node", fault.server))
                here = at_home and fault.kind != "reinstall"  # of a control plane is more than an accident
                struck = Fault(fault.kind, home, fault.lasts) if here else fault
                self.datacenter.world.clock.spawn(self._strike(struck), after=delay)

        self.datacenter.world.listeners.append(told)

    def _strike(self, fault: Fault) -> Steps:
        world = self.datacenter.world
        if world.now < self.calm:
            match fault.kind:
                case "cut":
                    world.cut(fault.server, back_after=fault.lasts)
                case "silence":
                    world.silence(fault.server, fault.lasts)
                case "restart":
                    world.restart_minion(fault.server)
                case "mute":
                    world.mute_etcd(fault.server, fault.lasts)
                case "reinstall":
                    world.reinstall(fault.server)
        return
        yield FOREVER
