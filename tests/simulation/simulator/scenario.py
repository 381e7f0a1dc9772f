"""Runs of the real provision on a simulated world, and what a finished cluster must look like."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8s_lifecycle.action import certificates, joins, operation
from k8s_lifecycle.action import drain as draining
from k8s_lifecycle.action.operation import Report
from k8s_lifecycle.action.provision import provision
from k8s_lifecycle.action.run import Run
from k8s_lifecycle.decision.plan import Plan
from k8s_lifecycle.model.kubeadm_config import CONTROL_PLANE_TAINT
from k8s_lifecycle.model.spec import Assignment, Spec
from simulator import shapes
from simulator.fleet import SimulatedFleet
from simulator.kubeadm import CONTROL_PLANE_LABEL
from simulator.objects import Node
from simulator.properties import Properties
from simulator.world import World


@dataclass(frozen=True)
class Shape:
    """How many servers of which role."""

    control_planes: int
    workers: int
    spares: int = 0
    schedulable: bool = False

    def __str__(self) -> str:
        extra = f"+{self.spares} spares" if self.spares else ""
        return f"{self.control_planes}+{self.workers}{extra}{' schedulable' if self.schedulable else ''}"

    @property
    def spec(self) -> Spec:
        """The cluster's spec."""
        return shapes.shape(self.control_planes, self.workers, self.spares, self.schedulable)


@dataclass
class Datacenter:
    """A world of one shape, its properties, its runs.

    ended: the holders of runs that were not killed. dead: the runs that their master knows to be cut off.
    asks: the servers that the master has noted to ask for their join.
    """

    shape: Shape
    seed: int = 0
    pace: float = 1.0
    tears: bool = False
    runs: int = 0
    ended: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    asks: set[str] = field(default_factory=set)
    spec: Spec = field(init=False)
    world: World = field(init=False)
    properties: Properties = field(init=False)

    def __post_init__(self) -> None:
        self.spec = self.shape.spec
        servers = shapes.servers(self.spec, self.shape.workers, self.shape.spares)
        self.world = World(self.spec, servers, self.seed, self.pace, self.tears)
        self.properties = Properties(self.world)

    def grow(self, shape: Shape) -> None:
        """Ask for another shape, and put the servers there that it has more."""
        self.shape, self.spec = shape, shape.spec
        self.world.spec = shape.spec
        for name in shapes.servers(shape.spec, shape.workers, shape.spares):
            if name not in self.world.servers:
                self.world.add(name)

    def fleet(self, **how: Any) -> SimulatedFleet:
        """Connect a run to the servers."""
        return SimulatedFleet(self.world, **how)

    def provision(self, fleet: SimulatedFleet | None = None) -> Report:
        """Do what `salt-run k8s.provision` does."""
        return self.carry_through("provision", fleet or self.fleet(), self._provision)

    def join(self, servers: Collection[str], fleet: SimulatedFleet) -> Report:
        """Do what `salt-run k8s.join` does."""
        return self.carry_through("join", fleet, lambda run: joins.carry_through(run, servers))

    def drain(self, servers: Sequence[str], fleet: SimulatedFleet | None = None, **how: Any) -> Report:
        """Do what `salt-run k8s.drain` does."""
        wanted = draining.Drain(tuple(servers), "a new disk", **{"timeout": 600, "keep": 86400, **how})
        return self.carry_through(
            "drain", fleet or self.fleet(), lambda run: operation.carry_through(run, draining.drain(wanted))
        )

    def rotate(self, fleet: SimulatedFleet | None = None, older_than: float = 1800) -> Report:
        """Do what `salt-run k8s.rotate_certs` does."""
        return self.carry_through(
            "rotate_certs",
            fleet or self.fleet(),
            lambda run: operation.carry_through(run, certificates.rotate(older_than)),
        )

    def carry_through(self, name: str, fleet: SimulatedFleet, operate: Callable[[Run], Report]) -> Report:
        """Carry out a run; whether the next one on this master knows of its death is the test's to say."""
        run = self._run(name, fleet)
        report = operate(run)
        if run.lock_left or run.holding:
            self.dead.add(run.id)
        else:
            self.ended.append(run.holder)
        return report

    def plan(self) -> Plan:
        """Do what `salt-run k8s.plan` does."""
        return operation.show(self._run("plan", self.fleet()), provision())

    def outlive_locks(self) -> None:
        """Let time pass until the locks of dead runs have expired."""
        locks = [server.disk.lock for server in self.world.servers.values() if server.disk.lock]
        left = max([lock["until"] - self.world.now for lock in locks], default=0)
        self.world.clock.advance(max(0, left) + 1)

    def converge(self, attempts: int, pause: float = 30) -> list[Report]:
        """Provision until it is done, as an operator does: again after a while, so many times at most."""
        reports = []
        while len(reports) < attempts:
            reports.append(self.provision())
            if reports[-1].ok:
                break
            self.world.clock.advance(pause)
            if reports[-1].locked_out:
                self.outlive_locks()
        return reports

    @property
    def assignments(self) -> dict[str, Assignment]:
        """The place of every server."""
        return {
            server: Assignment(self.spec.name, str(self.spec.role_of(server)), self.spec.pool_of(server))
            for server in self.world.servers
            if self.spec.role_of(server)
        }

    def _run(self, name: str, fleet: SimulatedFleet) -> Run:
        self.runs += 1
        watch = self.properties.watch(fleet)
        return Run(
            f"run-{self.runs}",
            name,
            "sim",
            self.spec,
            self.assignments,
            fleet,
            listeners=(watch.told,),
            is_dead=self.dead.__contains__,
            clock=lambda: self.world.today,
            code="simulated",
        )

    def _provision(self, run: Run) -> Report:
        return operation.carry_through(run, provision())


def portrait(datacenter: Datacenter) -> dict[str, Any]:
    """Return what a cluster is, without what differs from run to run.

    Which control planes were checked does: the first registers open, and where the run dies, it stays so.
    """
    world = datacenter.world
    (cluster,) = world.etcds
    objects = cluster.objects
    return {
        "members": sorted((member.name, member.learner, member.up) for member in cluster.members),
        "nodes": {
            node.name: (
                node.version,
                sorted(node.labels.items()),
                sorted(node.taints),
                _checked(datacenter, node),
            )
            for node in sorted(objects.nodes.values(), key=lambda node: node.name)
        },
        "phases": sorted(objects.phases),
        "recorded": sorted(objects.recorded),
        "network": objects.network_addon == world.addon,
        "auto_approve": objects.auto_approve,
        "prepared": {name: world.servers[name].disk.version for name in datacenter.assignments},
    }


def _checked(datacenter: Datacenter, node: Node) -> bool | None:
    return None if node.name in datacenter.spec.control_plane.servers else node.checked


def expected(datacenter: Datacenter) -> dict[str, Any]:
    """Return the portrait of the cluster that the spec asks for."""
    spec = datacenter.spec
    control_planes = spec.control_plane.servers
    version = spec.kubernetes.version
    taints = [] if spec.control_plane.schedulable else [CONTROL_PLANE_TAINT]
    nodes: dict[str, Any] = {
        server: (version, [(CONTROL_PLANE_LABEL, "")], taints, None) for server in control_planes
    }
    for server, place in datacenter.assignments.items():
        if place.role == "worker":
            nodes[server] = (version, [("sim/pool", "general")], [], True)
    return {
        "members": sorted((server, False, True) for server in control_planes),
        "nodes": dict(sorted(nodes.items())),
        "phases": sorted(
            {
                "kubeadm_config",
                "kubelet_config",
                "mark_control_plane",
                "bootstrap_token",
                "coredns",
                "kube_proxy",
            }
        ),
        "recorded": sorted(nodes),
        "network": True,
        "auto_approve": False,
        "prepared": dict.fromkeys(datacenter.assignments, version),
    }


def assert_converged(datacenter: Datacenter, after: float = 0) -> None:
    """The cluster is what the spec asks for, and nothing is left behind or left to do.

    after: seconds in which what a fault has interrupted comes back, and the locks of dead runs expire.
    """
    datacenter.world.clock.advance(after)
    found, wanted = portrait(datacenter), expected(datacenter)
    assert found == wanted, {key: (found[key], wanted[key]) for key in wanted if found[key] != wanted[key]}
    plan = datacenter.plan()
    assert plan.converged, plan.to_dict()
    world = datacenter.world
    (cluster,) = world.etcds
    assert not [token for token in cluster.objects.tokens.values() if token.expires > world.now]
    assert not _holders(datacenter) & set(datacenter.ended), "a run ended and left its lock behind"
    assert not [name for name, server in world.servers.items() if server.kubeadm_runs]


def _holders(datacenter: Datacenter) -> set[str]:
    """Return who holds a lock that has not expired; a run that was killed may."""
    world = datacenter.world
    locks = [server.disk.lock for server in world.servers.values()]
    held = {lock["holder"] for lock in locks if lock and lock["until"] > world.now}
    leases = [cluster.objects.lease for cluster in world.etcds]
    return held | {lease.holder for lease in leases if lease.holder and lease.until > world.now}
