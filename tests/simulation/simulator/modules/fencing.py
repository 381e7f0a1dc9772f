"""The fencing number of a server, as `k8s_lifecycle.fencing` keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.clock import SimulatedError

if TYPE_CHECKING:
    from simulator.server import Server
    from simulator.world import World


def admit(world: World, here: Server, number: int) -> None:
    """Let an operation with this number go ahead and remember it; refuse a lower one."""
    if number < here.disk.fence:
        raise SimulatedError(
            f"superseded: a later run has the fencing number {here.disk.fence}, this call {number}"
        )
    here.disk.fence = number
    world.tell("admitted", server=here.id, fence=number)
