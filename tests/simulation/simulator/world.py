"""The simulated datacenter: servers, the etcd clusters on them, and what happens to them by itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from k8s_lifecycle.model import addon, kubeadm_config
from k8s_lifecycle.model.facts import CONTROL_PLANE_MANIFESTS
from k8s_lifecycle.model.spec import Spec
from simulator import kubelet
from simulator.clock import FOREVER, Clock, SimulatedError, Steps
from simulator.etcd import EtcdCluster
from simulator.objects import App, Node, Objects, Pod
from simulator.server import Disk, Server

BOOT_SECONDS = 12.0
POD_SECONDS = 3.0
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
NODE_GRACE_SECONDS = 50.0
CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane"

Listener = Callable[[str, dict[str, Any]], None]


class World:
    """All servers of one cluster on one clock.

    seed: of everything that happens by chance. pace: how slow everything is. tears: whether a power cut
    tears what was just written.
    """

    def __init__(self, spec: Spec, servers: list[str], seed: int = 0, pace: float = 1.0, tears: bool = False):
        self.spec = spec
        self.clock = Clock()
        self.chance = random.Random(seed)
        self.pace = pace
        self.tears = tears
        self.servers: dict[str, Server] = {}
        for name in servers:
            self.add(name)
        self.etcds: list[EtcdCluster] = []
        self.cas = 0
        self.tokens = 0
        self.keys = 0
        self.addon = addon.content_hash(spec)
        documents = kubeadm_config.init_documents(spec, server="any", address="10.0.0.1", token="")
        self.control_plane_taints = {taint["key"] for taint in documents[0]["nodeRegistration"]["taints"]}
        self.listeners: list[Listener] = []

    @property
    def now(self) -> float:
        """The virtual time in seconds."""
        return self.clock.now

    def add(self, name: str) -> None:
        """Put a bare server into the datacenter."""
        number = len(self.servers)
        self.servers[name] = Server(name, f"10.0.{number // 250}.{number % 250 + 1}")

    def seconds(self, usual: float) -> float:
        """Return how long something takes that usually takes so many seconds."""
        return usual * self.pace * (0.75 + self.chance.random() / 2)

    def tell(self, event: str, **what: Any) -> None:
        """Tell whoever watches what happens."""
        for listener in self.listeners:
            listener(event, what)

    @cached_property
    def taints_of_init(self) -> frozenset[str]:
        """The taints that the configuration of init asks for."""
        how = {"server": "any", "address": "10.0.0.1", "token": ""}
        return _taints(kubeadm_config.init_documents(self.spec, **how))

    @cached_property
    def taints_of_join(self) -> frozenset[str]:
        """The taints that the configuration of a control plane's join asks for."""
        how = {"server": "any", "address": "10.0.0.1", "token": "", "discovery_file": ""}
        return _taints(kubeadm_config.join_documents(self.spec, role="control-plane", **how))

    # ------------------------------------------------------------------ faults

    def cut(self, name: str, back_after: float | None = None) -> None:
        """Cut a server's power; it boots after so many seconds, if any are given."""
        server = self.servers[name]
        if not server.powered:
            return
        with self.fault():
            lost = list(server.jobs.values())
            server.lose_power(self.now, self.chance if self.tears else None)
            for give_up in lost:
                give_up()
            self.clock.settle()
        if back_after is not None:
            self.clock.spawn(self._boot(server), after=back_after)

    def boot(self, name: str) -> None:
        """Give a server its power back."""
        self.clock.spawn(self._boot(self.servers[name]))

    def silence(self, name: str, seconds: float) -> None:
        """Let a server's minion hear nothing for so many seconds."""
        server = self.servers[name]
        server.silent = True

        def end() -> Steps:
            server.silent = False
            return
            yield

        self.clock.spawn(end(), after=seconds)

    def restart_minion(self, name: str) -> None:
        """Restart a server's minion: its jobs end where they are, what runs beside it goes on."""
        server = self.servers[name]
        lost = list(server.jobs.values())
        for job in server.jobs:
            job.kill()
        server.jobs.clear()
        for give_up in lost:
            give_up()

    def mute_etcd(self, name: str, seconds: float) -> None:
        """Let the etcd member on a server tell nothing to those who ask for members; it goes on serving."""
        server = self.servers[name]
        server.etcd_mute = self.now + seconds

    def reinstall(self, name: str) -> None:
        """Make a server bare, as if it came new under its old name."""
        server = self.servers[name]
        with self.fault():
            if server.powered:
                server.lose_power(self.now, None)
            server.disk = Disk()
            server.powered = True
            server.boots += 1
            for cluster in self.etcds:
                if name in cluster.objects.nodes:
                    cluster.objects.nodes[name].checked = False
            self.clock.settle()

    @contextmanager
    def fault(self) -> Any:
        """What changes in here was done to the fleet, not by it."""
        self.tell("fault_begins")
        yield
        self.tell("fault_ends")

    def _boot(self, server: Server) -> Steps:
        if server.powered:
            return
        yield BOOT_SECONDS
        server.powered = True
        server.boots += 1
        server.shown, server.components_started = server.disk.leaves.issued, self.now
        self.start_kubelet(server)
        self.tell("booted", server=server.id)

    # ----------------------------------------------------------------- kubelet

    def start_kubelet(self, server: Server) -> None:
        """Start a server's kubelet, or start it anew."""
        server.stop_kubelet(self.now)
        if server.disk.version:
            server.kubelet.append(self.clock.spawn(kubelet.service(self, server)))

    # --------------------------------------------------------- etcd and the API

    def cluster_of(self, server: Server) -> EtcdCluster | None:
        """Return the etcd cluster that counts, or counted, on a server's data."""
        for cluster in self.etcds:
            member = cluster.of(server)
            if member and member.id == server.disk.etcd_member and cluster.ca == server.disk.ca:
                return cluster
        return None

    def serving(self, server: Server) -> Objects | None:
        """Return what the API server on this server serves, if it does."""
        if not server.pods >= CONTROL_PLANE_MANIFESTS:
            return None
        cluster = self.cluster_of(server)
        if not cluster or not cluster.quorum:
            return None
        member = cluster.of(server)
        return cluster.objects if member and member.up and not member.learner else None

    def api(self, server: Server) -> Objects:
        """Return what the API server on this server serves; raise what a client of a silent one gets."""
        usable = server.disk.admin_conf and "admin_conf" not in server.disk.torn
        objects = self.serving(server) if usable else None
        if objects is None:
            raise SimulatedError("the API server on this server does not answer: connection refused")
        return objects

    def endpoint(self, ca: str | None) -> Objects | None:
        """Return what the cluster's common address serves to whoever trusts this authority."""
        for server in self.servers.values():
            if server.disk.ca == ca and (objects := self.serving(server)):
                return objects
        return None

    def etcd(self, ca: str | None) -> EtcdCluster | None:
        """Return the etcd cluster of an authority, if it has a quorum."""
        return next((cluster for cluster in self.etcds if cluster.ca == ca and cluster.quorum), None)

    # -------------------------------------------------------------------- pods

    @property
    def today(self) -> datetime:
        """The virtual time of day."""
        return EPOCH + timedelta(seconds=self.now)

    def deploy(self, name: str, app: App) -> None:
        """Run so many pods of an app, and make one anew wherever one is gone."""
        (cluster,) = self.etcds
        cluster.objects.apps[name] = app
        self.clock.spawn(self._controller(name))
        self.clock.advance(POD_SECONDS + 2)

    def pods_on(self, objects: Objects, node: str) -> list[Pod]:
        """Return the pods of a node that have not ended."""
        return [pod for pod in objects.pods if pod.node == node and pod.gone > self.now]

    def healthy(self, objects: Objects, name: str) -> int:
        """Return how many pods of an app are Ready and not ending."""
        return sum(pod.app == name and pod.ready <= self.now and pod.gone == FOREVER for pod in objects.pods)

    def allows_eviction(self, objects: Objects, pod: Pod) -> bool:
        """Whether the budget of a pod's app allows its eviction now."""
        return self.healthy(objects, pod.app) > objects.apps[pod.app].needed

    def _controller(self, name: str) -> Steps:
        """Keep the pods of an app at their number, on the open nodes with the fewest pods."""
        while True:
            for cluster in self.etcds:
                objects = cluster.objects
                objects.pods = [pod for pod in objects.pods if pod.gone > self.now]
                have = sum(pod.app == name and pod.gone == FOREVER for pod in objects.pods)
                places = [
                    node.name
                    for node in objects.nodes.values()
                    if not node.taints and not node.unschedulable and self.ready(objects, node)
                ]
                if cluster.quorum and places and have < objects.apps[name].replicas:
                    place = min(places, key=lambda node: (len(self.pods_on(objects, node)), node))
                    objects.pods.append(Pod(name, place, self.now + POD_SECONDS))
            yield 1.0

    # ------------------------------------------------------------------- nodes

    def ready(self, objects: Objects, node: Node) -> bool:
        """Whether a node is Ready: its kubelet reports, or did a moment ago, and there is a pod network."""
        server = node.server
        reports = server.kubelet_active and server.disk.node_credential
        return objects.network_addon is not None and (
            reports or self.now - server.last_seen < NODE_GRACE_SECONDS
        )

    def names_resolve(self, objects: Objects) -> bool:
        """Whether CoreDNS runs somewhere: it tolerates a control plane's taint and no other."""
        return "coredns" in objects.phases and any(
            self.ready(objects, node) and node.taints <= {CONTROL_PLANE_TAINT}
            for node in objects.nodes.values()
        )


def _taints(documents: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(taint["key"] for taint in documents[0]["nodeRegistration"]["taints"])
