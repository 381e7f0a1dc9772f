"""Simulated kubeadm 1.37: the effects of its phases in their order, each after a while.

Killed between two effects it leaves what a killed kubeadm leaves.
Sources: cmd/kubeadm/app/cmd/{init,join,reset}.go
and the phases that they name.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from k8s_lifecycle.model.kubeadm_config import cluster_configuration
from simulator.clock import SimulatedError, Steps, Until
from simulator.etcd import EtcdCluster, Member
from simulator.objects import INIT_PHASES, Objects
from simulator.server import STATIC_PODS, Server

if TYPE_CHECKING:
    from simulator.modules.k8s_admission import Box
    from simulator.world import World

FILES = ("ca", "certificates", "admin_conf", "kubelet_conf", "etcd", *STATIC_PODS)
CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
API_TIMEOUT = 240
TLS_BOOTSTRAP_TIMEOUT = 120
ETCD_TIMEOUT = 120
DISCOVERY_TIMEOUT = 60


def write_files(world: World, server: Server, pieces: Collection[str], etcd: str = "new") -> Steps:
    """Certificates, kubeconfigs and manifests, in init's order. etcd: what its manifest says."""
    for piece in FILES:
        if piece not in pieces:
            continue
        yield world.seconds(0.4)
        if piece == "ca":
            world.cas += 1
            server.write("ca", f"sha256:ca-{world.cas}", world.now)
            server.disk.ca_key = True
        elif piece == "etcd" or piece in STATIC_PODS:
            if piece == "etcd":
                server.disk.etcd_manifest = etcd
            server.write_manifest(piece, world.now)
        else:
            if piece == "kubelet_conf":
                server.disk.kubelet_conf_final = False
            server.write(piece, True, world.now)


def finalize(world: World, server: Server) -> None:
    """Lead kubelet.conf to the certificate that the kubelet renews."""
    server.disk.kubelet_conf_final = True
    server.write("kubelet_conf", True, world.now)


def start_control_plane(world: World, server: Server) -> Steps:
    """Start the kubelet and wait for the API server that it runs."""
    yield world.seconds(0.5)
    server.write("kubelet_config", True, world.now)
    world.start_kubelet(server)
    if not (yield Until(lambda: world.serving(server) is not None, API_TIMEOUT)):
        raise SimulatedError("the API server on this server is not healthy after 4m0s")


def upload(world: World, server: Server, phases: Collection[str]) -> Steps:
    """What init makes in the API."""
    for phase in INIT_PHASES:
        if phase not in phases:
            continue
        yield world.seconds(0.6)
        objects = world.api(server)
        if phase == "kubeadm_config":
            objects.configuration = cluster_configuration(world.spec)
        elif phase == "mark_control_plane":
            yield from mark(world, server, world.taints_of_init)
        elif phase == "bootstrap_token":
            objects.auto_approve = True
        elif phase == "coredns":  # the phase kubelet-finalize comes before the addons
            finalize(world, server)
        objects.phases.add(phase)


def mark(world: World, server: Server, taints: Collection[str]) -> Steps:
    """Give a control plane's Node its label and taints; kubeadm retries until there is a Node."""
    objects = world.api(server)
    if not (yield Until(lambda: server.id in objects.nodes, ETCD_TIMEOUT)):
        raise SimulatedError(f"error applying control-plane label and taints: nodes {server.id} not found")
    node = world.api(server).nodes[server.id]
    node.labels[CONTROL_PLANE_LABEL] = ""
    node.taints.update(taints)


def join(world: World, server: Server, box: Box) -> Steps:
    """Join as a worker or as a control plane."""
    yield world.seconds(0.5)
    yield from _discover(world, box)
    if box.control_plane:
        yield from write_files(world, server, {"certificates", "admin_conf", *STATIC_PODS})
        yield world.seconds(0.4)
        _check_etcd(world, server)
    yield from _start_kubelet(world, server, box)
    if box.control_plane:
        yield from _join_etcd(world, server)
    bootstrapped = yield Until(lambda: server.disk.node_credential, TLS_BOOTSTRAP_TIMEOUT)
    server.disk.bootstrap_token = None  # kubeadm removes it also when it gives up
    if not bootstrapped:
        raise SimulatedError("failed while waiting for TLS bootstrap: timed out after 2m0s")
    if box.control_plane:
        yield world.seconds(0.3)
        yield from mark(world, server, world.taints_of_join)


def reset(world: World, server: Server) -> Steps:
    """Reset without the phase remove-etcd-member: files go in this order; etcd's data and the CA stay."""
    yield world.seconds(1)
    server.stop_kubelet(world.now)
    server.pods.clear()
    yield world.seconds(0.5)
    disk = server.disk
    disk.manifests.clear()
    disk.etcd_manifest, disk.kubelet_config = None, False
    yield world.seconds(0.3)
    disk.admin_conf = disk.kubelet_conf = disk.kubelet_conf_final = False
    disk.bootstrap_token = None


def _discover(world: World, box: Box) -> Steps:
    """Reach the API, see the configuration; the token must be good."""

    def admitted() -> bool:
        objects = world.endpoint(box.ca)
        return objects is not None and _good(world, objects, box)

    if not (yield Until(admitted, DISCOVERY_TIMEOUT)):
        raise SimulatedError("couldn't validate the identity of the API Server: failed after 1m0s")


def _good(world: World, objects: Objects, box: Box) -> bool:
    token = objects.tokens.get(box.token)
    return token is not None and token.expires > world.now


def _start_kubelet(world: World, server: Server, box: Box) -> Steps:
    yield world.seconds(0.3)
    server.write("bootstrap_token", box.token, world.now)
    if server.disk.ca is None:
        server.write("ca", box.ca, world.now)
    objects = world.endpoint(box.ca)
    if objects is None:
        raise SimulatedError(f'cannot get Node "{server.id}": connection refused')
    node = objects.nodes.get(server.id)
    if node and world.ready(objects, node):
        raise SimulatedError(f'a Node with name "{server.id}" and status "Ready" already exists')
    yield world.seconds(0.5)
    server.write("kubelet_config", True, world.now)
    world.start_kubelet(server)


def _check_etcd(world: World, server: Server) -> None:
    cluster = world.etcd(server.disk.ca)
    if cluster is None or not all(member.up for member in cluster.members if member.name):
        raise SimulatedError("etcd cluster is not healthy: context deadline exceeded")


def _join_etcd(world: World, server: Server) -> Steps:
    """Announce a learner, write etcd's manifest, promote the learner when it has caught up."""
    yield world.seconds(0.4)
    cluster = world.etcd(server.disk.ca)
    if cluster is None:
        raise SimulatedError("error adding etcd member: etcdserver: no leader")
    member = cluster.of(server)
    if member is None:
        member = cluster.add(server, learner=True)
        world.tell("member_added", server=server.id)
    yield world.seconds(0.4)
    yield from write_files(world, server, {"etcd"}, etcd="existing")
    yield from _promote(world, cluster, member)


def _promote(world: World, cluster: EtcdCluster, member: Member) -> Steps:
    if not (yield Until(lambda: member.up and cluster.quorum, ETCD_TIMEOUT)):
        raise SimulatedError(f"the etcd member {member.id} is not started")
    yield world.seconds(1)
    if not (yield Until(lambda: member.up and cluster.quorum, ETCD_TIMEOUT)):
        raise SimulatedError("etcdserver: can only promote a learner member which is in sync with leader")
    if member.learner:
        cluster.promote(member)
        world.tell("promoted", server=member.server.id)
