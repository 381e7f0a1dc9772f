"""k8s_api and k8s_csr, simulated: through the API server on a control plane server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from k8s_lifecycle.model.kubeadm_config import STARTUP_TAINT
from simulator.clock import SimulatedError, Steps, Until
from simulator.modules import fencing

if TYPE_CHECKING:
    from simulator.objects import Node, Objects
    from simulator.server import Server
    from simulator.world import World


def network_addon(world: World, here: Server, fence: int, spec: dict[str, Any]) -> Steps:
    """Apply the pod network."""
    yield world.seconds(0.5)
    fencing.admit(world, here, fence)
    world.api(here).network_addon = world.addon
    return {"changed": []}


def restrict_bootstrap(world: World, here: Server, fence: int) -> Steps:
    """Delete the binding that approves every bootstrap token's request."""
    yield world.seconds(0.2)
    fencing.admit(world, here, fence)
    world.api(here).auto_approve = False
    return {"changed": True}


def settle_node(
    world: World,
    here: Server,
    fence: int,
    node: str,
    labels: dict[str, str],
    taints: list[dict[str, str]],
    remove_startup_taint: bool = False,
) -> Steps:
    """Give a node the labels and taints of its pool, and open it for pods."""
    yield world.seconds(0.2)
    fencing.admit(world, here, fence)
    found = _node(world.api(here), node)
    before = found.settled or {"labels": [], "taints": []}
    for label in set(before["labels"]) - labels.keys():
        found.labels.pop(label, None)
    found.labels.update(labels)
    found.taints -= {key for key, _ in before["taints"]}
    found.taints.update(taint["key"] for taint in taints)
    kept = sorted([taint["key"], taint["effect"]] for taint in taints)
    found.settled = {"labels": sorted(labels), "taints": kept}
    if remove_startup_taint:
        found.taints.discard(STARTUP_TAINT)
        world.tell("opened", node=node, checked=found.checked)
    return {"changed": True}


def delete_node(world: World, here: Server, fence: int, node: str) -> Steps:
    """Delete a node."""
    yield world.seconds(0.2)
    fencing.admit(world, here, fence)
    objects = world.api(here)
    objects.recorded.discard(node)
    return {"changed": objects.nodes.pop(node, None) is not None}


def wait_ready(world: World, here: Server, node: str, timeout: float = 180) -> Steps:
    """Wait until a node is Ready."""
    yield world.seconds(0.2)
    objects = world.api(here)
    if not (yield Until(lambda: _ready(world, objects, node), timeout)):
        return "its kubelet does not report"
    world.api(here)
    return ""


def wait_not_ready(world: World, here: Server, node: str, timeout: float = 90) -> Steps:
    """Wait until a node is not Ready, or not there."""
    yield world.seconds(0.2)
    objects = world.api(here)
    if not (yield Until(lambda: not _ready(world, objects, node), timeout)):
        return "its kubelet still reports"
    world.api(here)
    return ""


def smoke_check(
    world: World, here: Server, fence: int, spec: dict[str, Any], nodes: list[str], timeout: float = 180
) -> Steps:
    """Run a pod on each node that resolves a name."""
    yield world.seconds(1)
    fencing.admit(world, here, fence)
    objects = world.api(here)

    def works(name: str) -> bool:
        return _ready(world, objects, name) and world.names_resolve(objects)

    yield Until(lambda: all(works(name) for name in nodes), timeout - 10)
    yield world.seconds(3)
    world.api(here)
    said = {}
    for name in nodes:
        if works(name):
            objects.nodes[name].checked = True
        said[name] = {"ok": works(name), "detail": "resolving kubernetes.default: timed out"}
    return said


def spread_dns(world: World, here: Server, fence: int, timeout: float = 90) -> Steps:
    """Put CoreDNS on more than one node."""
    yield world.seconds(1)
    fencing.admit(world, here, fence)
    objects = world.api(here)
    changed, objects.dns_spread = objects.dns_crowded, objects.dns_spread or objects.dns_crowded
    return {"changed": changed, "nodes": [], "whole": True}


def approve_serving(world: World, here: Server, nodes: list[str], timeout: float) -> Steps:
    """Approve the serving certificates of the nodes whose addresses are known."""
    yield world.seconds(0.2)
    world.api(here)
    return {"approved": nodes, "refused": {}, "unverified": {}}


def _ready(world: World, objects: Objects, name: str) -> bool:
    found = objects.nodes.get(name)
    return found is not None and world.ready(objects, found)


def _node(objects: Objects, name: str) -> Node:
    if name not in objects.nodes:
        raise SimulatedError(f'nodes "{name}" not found')
    return objects.nodes[name]


FUNCTIONS = {
    "k8s_api.network_addon": network_addon,
    "k8s_api.restrict_bootstrap": restrict_bootstrap,
    "k8s_api.settle_node": settle_node,
    "k8s_api.delete_node": delete_node,
    "k8s_api.wait_ready": wait_ready,
    "k8s_api.wait_not_ready": wait_not_ready,
    "k8s_api.smoke_check": smoke_check,
    "k8s_api.spread_dns": spread_dns,
    "k8s_csr.approve_serving": approve_serving,
}
