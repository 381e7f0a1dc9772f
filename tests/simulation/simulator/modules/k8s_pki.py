"""k8s_pki, simulated: the leaf certificates of a server. They never expire here: that is the real lab's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.clock import SimulatedError, Steps, Until
from simulator.modules import fencing

if TYPE_CHECKING:
    from simulator.server import Server
    from simulator.world import World

LIFE = 8760 * 3600.0
READ_AGAIN = 60.0
FILES = {"apiserver": 6443, "etcd/server": 2379, "controller-manager.conf": 0, "scheduler.conf": 0}
_ALONE: dict[str, Any] = {"healthy": [], "kubelet": {}, "external": []}
READ_ONCE = ("kube-controller-manager", "kube-scheduler")


def report(world: World, here: Server) -> Steps:
    """Return the certificates of this server."""
    yield world.seconds(0.3)
    leaves, today = here.disk.leaves, world.today.timestamp()
    if not here.disk.pods:
        return {"files": [], "served": [], "started": {}, **_ALONE, "staged": False}
    files = [
        _entry(name, leaves.issued, today - world.now)
        | {"written": leaves.issued, "whole": not leaves.mixed, "where": name}
        for name in FILES
    ]
    served = [
        _entry(name, here.shown, today - world.now) | {"where": f"port {port}", "port": port}
        for name, port in FILES.items()
        if port
    ]
    started = dict.fromkeys(READ_ONCE, here.components_started)
    return {
        "files": files,
        "served": served,
        "started": started,
        **_ALONE,
        "staged": leaves.staged is not None,
    }


def renew(world: World, here: Server, fence: int, spec: dict[str, Any]) -> Steps:
    """Make new certificates aside, then put them into place."""
    fencing.admit(world, here, fence)
    leaves = here.disk.leaves
    if leaves.staged is None:
        yield world.seconds(4)
        leaves.staged = world.now
    backup = f"backup-{world.now}"
    leaves.backups[backup] = leaves.issued
    world.tell("renews", server=here.id)
    leaves.mixed = True
    yield world.seconds(0.5)
    leaves.mixed, leaves.issued, leaves.staged = False, leaves.staged, None
    here.detached.append(world.clock.spawn(_read_again(world, here, leaves.issued)))
    return {"backup": backup}


def wait_served(world: World, here: Server, timeout: float = 90) -> Steps:
    """Wait until the ports show what is in the files."""
    done = yield Until(lambda: here.shown == here.disk.leaves.issued, timeout)
    return [] if done else ["port 6443 (apiserver)"]


def restart(
    world: World,
    here: Server,
    fence: int,
    components: list[str],
    seconds: float = 60,
    kubelet: bool = False,
) -> Steps:
    """Restart components. kubelet: only in a recovery, which is not simulated."""
    assert not kubelet
    fencing.admit(world, here, fence)
    yield world.seconds(6)
    if here.refuses_to_start:
        raise SimulatedError(f"{components[0]} did not come back within {seconds:.0f} s")
    here.components_started = world.now
    if not set(components) <= set(READ_ONCE):
        here.shown = here.disk.leaves.issued
    return {"changed": components}


def put_back(world: World, here: Server, fence: int, backup: str, seconds: float = 60) -> Steps:
    """Put the certificates of a back-up into place again."""
    fencing.admit(world, here, fence)
    yield world.seconds(1)
    leaves = here.disk.leaves
    leaves.issued, leaves.staged, leaves.mixed = leaves.backups[backup], None, False
    here.detached.append(world.clock.spawn(_read_again(world, here, leaves.issued)))
    here.components_started = world.now
    return {"backup": backup, "failed": ""}


def _read_again(world: World, here: Server, issued: float) -> Steps:
    """What shows certificates reads them again within a minute."""
    yield world.chance.uniform(0.1, READ_AGAIN)
    if here.disk.leaves.issued == issued:
        here.shown = issued


def _entry(name: str, issued: float, epoch: float) -> dict[str, Any]:
    return {
        "name": name,
        "subject": name,
        "issuer": "ca",
        "sans": [],
        "expires": epoch + issued + LIFE,
        "fingerprint": f"{name}-{issued}",
    }


FUNCTIONS = {
    "k8s_pki.report": report,
    "k8s_pki.renew": renew,
    "k8s_pki.wait_served": wait_served,
    "k8s_pki.restart": restart,
    "k8s_pki.put_back": put_back,
}
