"""k8s_node, simulated: a server that asks to join, what it is asked and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.clock import Steps
from simulator.server import Ask

if TYPE_CHECKING:
    from simulator.server import Server
    from simulator.world import World


def waiting(world: World, here: Server, grains: list[str]) -> Steps:
    """Whether this server asks; it claims nothing by its grains."""
    yield world.seconds(0.1)
    return {"grains": {}} if here.disk.ask else None


def tell(world: World, here: Server, outcome: str, reason: str) -> Steps:
    """Keep the master's answer; after `joined` there is nothing to ask for any more."""
    yield world.seconds(0.1)
    if outcome == "joined":
        here.disk.ask = None
    elif here.disk.ask:
        here.disk.ask = Ask(here.disk.ask.times, here.disk.ask.at, f"{outcome}: {reason}")
    return True


FUNCTIONS: dict[str, Any] = {"k8s_node.waiting": waiting, "k8s_node.tell": tell}
