"""k8s_hold, simulated: through the API server on a control plane server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from k8s_lifecycle.model.hold import HeldError, Hold, may_release, moment, taken
from simulator.clock import SimulatedError, Steps

if TYPE_CHECKING:
    from simulator.objects import Node
    from simulator.server import Server
    from simulator.world import World


def take(world: World, here: Server, node: str, hold: dict[str, Any], dead: list[str] | None = None) -> Steps:
    """Take the hold of a node and cordon it."""
    yield world.seconds(0.2)
    found = _node(world, here, node)
    wanted = replace(Hold.from_dict(hold), was_cordoned=found.unschedulable)
    try:
        found.hold = taken(found.hold, wanted, world.today, dead or ())
    except HeldError as held:
        raise SimulatedError(str(held)) from None
    found.unschedulable = True
    world.tell("held", node=node)
    return found.hold.to_dict()


def keep(world: World, here: Server, node: str, run: str, seconds: float) -> Steps:
    """Let a node stay held when a run is done with it."""
    yield world.seconds(0.2)
    found = _node(world, here, node)
    if found.hold and found.hold.run == run:
        found.hold = replace(found.hold, run="", until=moment(seconds, world.today))
    return {"kept": found.hold is not None and not found.hold.run}


def give_back(world: World, here: Server, run: str, nodes: list[str] | None = None) -> Steps:
    """Give back the holds of a run."""
    yield world.seconds(0.2)
    objects = world.api(here)
    held = [node for node in objects.nodes.values() if node.hold and node.hold.run == run]
    changed: list[str] = []
    left: list[str] = []
    for node in held:
        if nodes is not None and node.name not in nodes:
            continue
        if world.ready(objects, node):
            _open(node)
        elif node.hold:
            node.hold = replace(node.hold, run="")
        (left if node.hold else changed).append(node.name)
    return {"changed": changed, "left": left}


def release(
    world: World,
    here: Server,
    node: str,
    hold: dict[str, Any],
    dead: list[str] | None = None,
    force: bool = False,
) -> Steps:
    """Give the hold of a node back for a person."""
    yield world.seconds(0.2)
    found = _node(world, here, node)
    if found.hold and not (force or may_release(found.hold, world.today, dead or ())):
        raise SimulatedError(f"held by {found.hold}")
    there = found.hold is not None
    if there:
        _open(found)
    return {"changed": there}


def _open(node: Node) -> None:
    node.unschedulable = bool(node.hold and node.hold.was_cordoned)
    node.hold = None


def _node(world: World, here: Server, name: str) -> Node:
    nodes: dict[str, Any] = world.api(here).nodes
    if name not in nodes:
        raise SimulatedError(f'nodes "{name}" not found')
    return nodes[name]


FUNCTIONS = {
    "k8s_hold.take": take,
    "k8s_hold.keep": keep,
    "k8s_hold.give_back": give_back,
    "k8s_hold.release": release,
}
