"""k8s_etcd, simulated: members through the member on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.clock import SimulatedError, Steps
from simulator.modules import fencing, k8s_server

if TYPE_CHECKING:
    from simulator.etcd import EtcdCluster
    from simulator.server import Server
    from simulator.world import World


def members(world: World, here: Server) -> Steps:
    """The members; without a quorum, what the member here remembers."""
    yield world.seconds(0.2)
    cluster = _local(world, here)
    return {"members": k8s_server.members(cluster), "quorum": cluster.quorum}


def remove_member(world: World, here: Server, fence: int, name: str, member_id: str) -> Steps:
    """Remove the member with this id, if it still has this name."""
    yield world.seconds(0.2)
    fencing.admit(world, here, fence)
    cluster = _local(world, here)
    found = next((member for member in cluster.members if member.id == member_id), None)
    if found is None:
        return {"changed": False}
    if found.name != name:
        raise SimulatedError(
            f"etcd member {member_id} is called {found.name or '(never started)'}, not {name}"
        )
    world.tell("member_removed", server=found.server.id, learner=found.learner)
    cluster.remove(found)
    return {"changed": True}


def _local(world: World, here: Server) -> EtcdCluster:
    cluster = world.cluster_of(here)
    if cluster is None or "etcd" not in here.pods or world.now < here.etcd_mute:
        raise SimulatedError("etcd at https://127.0.0.1:2379 does not answer: connection refused")
    return cluster


FUNCTIONS = {"k8s_etcd.members": members, "k8s_etcd.remove_member": remove_member}
