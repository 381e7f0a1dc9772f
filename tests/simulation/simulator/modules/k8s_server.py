"""k8s_server, state.apply and saltutil.sync_all, simulated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from k8s_lifecycle.model import endpoint
from simulator.clock import SimulatedError, Steps
from simulator.modules import fencing
from simulator.modules.k8s_kubeadm import leftovers

if TYPE_CHECKING:
    from simulator.etcd import EtcdCluster
    from simulator.objects import Objects
    from simulator.server import Server
    from simulator.world import World

_PHASES = {
    "kubeadm_config": "kubeadm_config",
    "kubelet_config": "kubelet_config",
    "cluster_info": "bootstrap_token",
    "bootstrap_rbac": "bootstrap_token",
    "coredns": "coredns",
    "kube_proxy": "kube_proxy",
}


def facts(
    world: World, here: Server, endpoint_address: str | None = None, viewer: str | None = None
) -> Steps:
    """What the server is now."""
    yield world.seconds(0.3)
    if here.code is None:
        raise SimulatedError("'k8s_server.facts' is not available.")
    disk, kubeadm = here.disk, here.kubeadm
    version = f"{disk.version}-1.1" if disk.version else None
    return {
        "code": here.code,
        "id": here.id,
        "grains": {},
        "machine_id": f"machine-{here.id}",
        "clock": world.now,
        "addresses": [here.address],
        "packages": {"kubeadm": version, "kubelet": version, "kubectl": version, "containerd": version},
        "kubelet": {"active": here.kubelet_active},
        "containerd": {"active": disk.version is not None},
        "kubeadm": {"verb": kubeadm.verb, "pid": 4242, "since": kubeadm.since, "ours": True}
        if kubeadm and kubeadm.running
        else None,
        "files": {
            "ca": disk.ca,
            "ca_key": disk.ca_key,
            "kubelet_conf": disk.kubelet_conf,
            "kubelet_conf_final": disk.final,
            "bootstrap_kubelet_conf": disk.bootstrap_token is not None,
            "admin_conf": disk.admin_conf,
            "kubelet_config": disk.kubelet_config,
            "manifests": sorted(disk.manifests),
            "etcd_data": disk.etcd_member is not None,
        },
        "endpoint": {"mark": endpoint.mark(world.spec), "peers": disk.endpoint} if disk.endpoint else None,
        "fence": disk.fence,
        "lock": _lock(world, here),
        "api": view(world, here, viewer in (None, here.id)) if disk.admin_conf else None,
    }


def inventory(world: World, here: Server, spec: Mapping[str, Any] | None = None) -> Steps:
    """What an inventory has of the server; what the simulation does not have is left out."""
    yield world.seconds(0.3)
    if here.code is None:
        raise SimulatedError("'k8s_server.inventory' is not available.")
    disk = here.disk
    version = f"{disk.version}-1.1" if disk.version else None
    return {
        "code": here.code,
        "clock": world.today.timestamp(),
        "machine_id": f"machine-{here.id}",
        "grains": {},
        "addresses": [here.address],
        "versions": {"kubelet": version},
        "services": {
            "kubelet": "active" if here.kubelet_active else "inactive",
            "containerd": "active" if disk.version else "none",
            "node_exporter": "none",
        },
        "highstate": {"ended": world.today.timestamp(), "states": 1},
        "api": _overview(world, here) if disk.admin_conf else None,
    }


def _overview(world: World, here: Server) -> dict[str, Any]:
    seen = view(world, here)
    return seen if not seen["reachable"] else {key: seen[key] for key in ("reachable", "version", "nodes")}


def view(world: World, here: Server, whole: bool = True) -> dict[str, Any]:
    """The cluster through this server's own API server and etcd member."""
    try:
        objects = world.api(here)
    except SimulatedError as error:
        return {"reachable": False, "error": str(error)}
    lease = objects.lease.to_dict(world.now) if objects.lease.holder else None
    glimpse = {"reachable": True, "version": objects.version, "ca": here.disk.ca, "lease": lease}
    return glimpse | _rest(world, here, objects) if whole else glimpse


def _rest(world: World, here: Server, objects: Objects) -> dict[str, Any]:
    cluster = world.cluster_of(here) if world.now >= here.etcd_mute else None
    return {
        "etcd": {"members": members(cluster), "quorum": True}
        if cluster
        else {"error": "etcd does not answer: timed out"},
        "nodes": [node(world, objects, name) for name in objects.nodes],
        "cluster_configuration": objects.configuration,
        "kubelet_configuration": None,
        "phases": {
            **{name: phase in objects.phases for name, phase in _PHASES.items()},
            "network_addon": objects.network_addon,
        },
        "dns_crowded": objects.dns_crowded,
        "auto_approve": objects.auto_approve,
        "admissions": [
            {"token_id": token.id, "minion": token.minion, "node": token.node, "expires": token.expires}
            for token in objects.tokens.values()
            if token.expires > world.now
        ],
    }


def members(cluster: EtcdCluster) -> list[dict[str, Any]]:
    """The members as etcd's JSON gateway tells them."""
    return [
        {
            "name": member.name,
            "id": member.id,
            "learner": member.learner,
            "healthy": member.up and cluster.quorum,
            "peer_urls": [f"https://{member.server.address}:2380"],
        }
        for member in cluster.members
    ]


def node(world: World, objects: Objects, name: str) -> dict[str, Any]:
    """One Node as the view tells it."""
    found = objects.nodes[name]
    return {
        "name": name,
        "ready": world.ready(objects, found),
        "version": found.version,
        "labels": dict(found.labels),
        "taints": [{"key": key, "effect": "NoSchedule"} for key in sorted(found.taints)],
        "unschedulable": found.unschedulable,
        "hold": found.hold.to_dict() if found.hold else None,
        "settled": found.settled,
        "addresses": [found.server.address],
    }


def preflight(
    world: World, here: Server, spec: Any, role: str, pool: str | None, others: dict[str, Any]
) -> Steps:
    """Every server is fine."""
    yield world.seconds(2)
    return []


def apply(world: World, here: Server, mods: str, pillar: dict[str, Any], queue: bool) -> Steps:
    """Install the packages and lay out the endpoint: as k8s.server does, on a bare server only."""
    fencing.admit(world, here, pillar["k8s"]["fence"])
    yield world.seconds(15)
    if not leftovers(here) or pillar["k8s"]["anew"] or mods == "k8s.endpoint":
        carries = pillar["k8s"]["role"] == "control-plane"
        here.disk.endpoint = pillar["k8s"]["addresses"] if carries else None
        if carries:
            world.tell("carries", server=here.id)
    if mods == "k8s.endpoint":
        return {}
    version = pillar["k8s"]["spec"]["kubernetes"]["version"]
    if here.disk.version != version:
        world.tell("package_changed", server=here.id, bare=not here.disk.kubelet_conf)
        here.disk.version = version
    world.start_kubelet(here) if not here.kubelet else None
    return {}


def sync_all(world: World, here: Server, refresh: bool) -> Steps:
    """Copy the master's code."""
    yield world.seconds(3)
    here.code = "simulated"
    return {}


def _lock(world: World, here: Server) -> dict[str, Any] | None:
    lock = here.disk.lock
    if not lock or lock["until"] <= world.now:
        return None
    return {
        "cluster": world.spec.name,
        "holder": lock["holder"],
        "fence": lock["fence"],
        "seconds_left": lock["until"] - world.now,
    }


FUNCTIONS = {
    "k8s_server.facts": facts,
    "k8s_server.inventory": inventory,
    "k8s_server.preflight": preflight,
    "state.apply": apply,
    "saltutil.sync_all": sync_all,
}
