"""k8s_drain, simulated: through the API server on a control plane server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.clock import FOREVER, Steps
from simulator.modules import fencing

if TYPE_CHECKING:
    from simulator.objects import Objects, Pod
    from simulator.server import Server
    from simulator.world import World


_NOTHING: dict[str, Any] = {"left": [], "never": [], "attachments": [], "skipped": [], "lost": ""}


def look(world: World, here: Server, nodes: list[str], options: dict[str, Any]) -> Steps:
    """Return what a drain would do with the pods of nodes."""
    yield world.seconds(0.3)
    objects = world.api(here)
    return {node: _look(world, objects, node) for node in nodes}


def evict(
    world: World,
    here: Server,
    node: str,
    run: str,
    options: dict[str, Any],
    seconds: float = 15,
    fence: int | None = None,
) -> Steps:
    """Evict the pods of a node within their budgets, for a while."""
    yield world.seconds(0.2)
    fencing.admit(world, here, fence or 0)
    end = world.now + seconds
    while True:
        objects = world.api(here)
        hold = objects.nodes[node].hold if node in objects.nodes else None
        if hold is None or hold.run != run:
            return {**_NOTHING, "lost": f"it is held by {hold}"}
        there = world.pods_on(objects, node)
        for pod in there:
            if pod.gone == FOREVER and world.allows_eviction(objects, pod):
                pod.gone = world.now + objects.apps[pod.app].grace
                world.tell("evicted", node=node)
        if not there or world.now >= end:
            return {**_NOTHING, "left": [_told(pod) for pod in there]}
        yield 1.0


def _look(world: World, objects: Objects, node: str) -> dict[str, Any] | None:
    found = objects.nodes.get(node)
    if found is None:
        return None
    return {
        "hold": found.hold.to_dict() if found.hold else None,
        "unreachable": not world.ready(objects, found),
        "goes": [_told(pod) for pod in world.pods_on(objects, node)],
        "stays": [],
        "forbidden": [],
        "attachments": [],
        "volumes": [],
        "cordoned": found.unschedulable,
    }


def _told(pod: Pod) -> dict[str, str]:
    return {"pod": f"shop/{pod.app}", "why": "of Deployment"}


FUNCTIONS = {"k8s_drain.look": look, "k8s_drain.evict": evict}
