"""What a simulated kubelet does by itself: static pods, its certificate, its Node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k8s_lifecycle.model.kubeadm_config import STARTUP_TAINT
from simulator.clock import Steps, Until
from simulator.etcd import EtcdCluster, Member
from simulator.kubeadm import finalize
from simulator.objects import Node, Objects
from simulator.server import Server

if TYPE_CHECKING:
    from simulator.world import World


def service(world: World, server: Server) -> Steps:
    """systemd starts it over and over until it has its configuration and a credential."""
    yield Until(lambda: server.disk.starts_kubelet)
    yield world.seconds(1)
    if not server.disk.starts_kubelet:
        world.start_kubelet(server)
        return
    server.kubelet_active = True
    duties = [_certificate, _registration, *([_pods] if server.disk.manifests else [])]
    for duty in duties:
        server.kubelet.append(world.clock.spawn(duty(world, server)))


def _pods(world: World, server: Server) -> Steps:
    """Start the static pods whose manifests are whole. Workers have none, and are many."""
    while True:
        yield Until(lambda: bool(_startable(world, server)))
        yield world.seconds(1.5)
        for pod in sorted(_startable(world, server)):
            if pod == "etcd":
                _start_etcd(world, server)
            server.pods.add(pod)


def _startable(world: World, server: Server) -> set[str]:
    waiting = server.disk.pods - server.pods
    if "etcd" in waiting and not _etcd_can_start(world, server):
        waiting.discard("etcd")
    return waiting


def _etcd_can_start(world: World, server: Server) -> bool:
    if server.disk.etcd_member is not None:
        return world.cluster_of(server) is not None
    return server.disk.etcd_manifest == "new" or _announced(world, server) is not None


def _announced(world: World, server: Server) -> tuple[EtcdCluster, Member] | None:
    """Return the member that was added for this server and never started."""
    cluster = world.etcd(server.disk.ca)
    member = cluster.of(server) if cluster else None
    return (cluster, member) if cluster and member and not member.name else None


def _start_etcd(world: World, server: Server) -> None:
    if server.disk.etcd_member is not None:
        return
    if announced := _announced(world, server):
        member = announced[1]
    else:
        cluster = EtcdCluster(str(server.disk.ca))
        cluster.objects.version = str(server.disk.version)
        world.etcds.append(cluster)
        member = cluster.add(server, learner=False)
    member.name = server.id
    server.disk.etcd_member = member.id


def _talks_to(world: World, server: Server) -> Objects | None:
    """A control plane's kubelet talks to its own API server, another to the common address."""
    local = "kube-apiserver" in server.disk.manifests
    return world.serving(server) if local else world.endpoint(server.disk.ca)


def _certificate(world: World, server: Server) -> Steps:
    """Ask for the client certificate with the bootstrap token, and keep it."""
    while not server.disk.node_credential:
        yield Until(lambda: _may_ask(world, server) is not None)
        objects, token = _may_ask(world, server), server.disk.bootstrap_token
        if objects is None or token is None:
            continue
        request = objects.request(token, server.id)
        if objects.auto_approve:
            world.tell("auto_approved", node=server.id)
            request.approved = True
        yield Until(lambda found=request: found.approved and _talks_to(world, server) is not None)
        yield world.seconds(0.3)
        finalize(world, server)


def _may_ask(world: World, server: Server) -> Objects | None:
    objects = _talks_to(world, server)
    token = objects.tokens.get(server.disk.bootstrap_token or "") if objects else None
    return objects if token and token.expires > world.now else None


def _registration(world: World, server: Server) -> Steps:
    """Make the Node once, unless there is one: that one is taken as it is."""
    while True:
        yield Until(lambda: _reachable(world, server) is not None)
        yield world.seconds(0.5)
        objects = _reachable(world, server)
        if objects is not None:
            break
    if server.id not in objects.nodes:
        joins_as_worker = "kube-apiserver" not in server.disk.manifests
        taints = {STARTUP_TAINT} if joins_as_worker else set()
        objects.nodes[server.id] = Node(server.id, server, str(server.disk.version), taints=taints)
        world.tell("registered", node=server.id)


def _reachable(world: World, server: Server) -> Objects | None:
    return _talks_to(world, server) if server.disk.node_credential else None
