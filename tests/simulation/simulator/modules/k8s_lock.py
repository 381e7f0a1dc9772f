"""k8s_lock, simulated: the server's lock file, then the Lease, then the fencing number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.clock import SimulatedError, Steps
from simulator.modules import fencing
from simulator.objects import Lease

if TYPE_CHECKING:
    from simulator.server import Server
    from simulator.world import World


def acquire(world: World, here: Server, cluster: str, holder: str, fence: int, ttl: int) -> Steps:
    """Take or renew the lock here and, where the API answers, in the cluster."""
    yield world.seconds(0.2)
    lock = here.disk.lock
    if lock and lock["until"] > world.now and lock["holder"] != holder:
        return _answer(world, lock, None, holder)
    here.disk.lock = {"holder": holder, "fence": fence, "until": world.now + ttl}
    lease = _lease(world, here)
    if lease is not None:
        if lease.holder not in ("", holder) and lease.until > world.now:
            here.disk.lock = None
            return _answer(world, None, lease, holder)
        lease.holder, lease.fence, lease.until = holder, fence, world.now + ttl
    try:
        fencing.admit(world, here, fence)
    except SimulatedError:
        _release(world, here, holder)
        raise
    return _answer(world, here.disk.lock, lease, holder)


def release(world: World, here: Server, cluster: str, holder: str) -> Steps:
    """Give the lock back wherever this run holds it."""
    yield world.seconds(0.2)
    lease = _lease(world, here)
    gave_back = lease is not None and lease.holder == holder
    _release(world, here, holder)
    return {"server": True, "lease": None if lease is None else gave_back}


def _release(world: World, here: Server, holder: str) -> None:
    lease = _lease(world, here)
    if lease is not None and lease.holder == holder:
        lease.holder = ""
    if here.disk.lock and here.disk.lock["holder"] == holder:
        here.disk.lock = None


def _lease(world: World, here: Server) -> Lease | None:
    try:
        return world.api(here).lease
    except SimulatedError:
        return None


def _answer(world: World, lock: dict[str, Any] | None, lease: Lease | None, holder: str) -> dict[str, Any]:
    said = {**lock, "seconds_left": lock["until"] - world.now} if lock else None
    mine = lock is not None and lock["holder"] == holder and (lease is None or lease.holder == holder)
    return {"server": said, "lease": lease.to_dict(world.now) if lease else None, "mine": mine}


FUNCTIONS = {"k8s_lock.acquire": acquire, "k8s_lock.release": release}
