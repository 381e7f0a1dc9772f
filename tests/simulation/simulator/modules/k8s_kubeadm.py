"""k8s_kubeadm, simulated: kubeadm as a unit of its own, which outlives the job that started it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator import kubeadm
from simulator.clock import SimulatedError, Steps, Until
from simulator.modules import fencing, k8s_admission
from simulator.objects import INIT_PHASES, Objects
from simulator.server import STATIC_PODS, UNREADABLE, Kubeadm, Server

if TYPE_CHECKING:
    from simulator.modules.k8s_admission import Box
    from simulator.world import World


def init(
    world: World,
    here: Server,
    fence: int,
    cluster: str,
    spec: dict[str, Any],
    anew: bool = False,
    timeout: float = 540,
) -> Steps:
    """Begin init, or finish one that was cut off."""
    yield world.seconds(0.3)
    fencing.admit(world, here, fence)
    new = here.disk.etcd_member is None
    _refuse_busy_or_orphaned(here, joined=False)
    if anew:
        yield from _take_down(world, here)
    changed = yield from _complete_files(world, here, timeout, joined=False, anew=anew)
    if new or anew:
        yield from _run(world, here, "init", _start_and_upload(world, here, INIT_PHASES), timeout)
    else:
        if changed or world.serving(here) is None:
            yield from _run(world, here, "init", kubeadm.start_control_plane(world, here), timeout)
        left = _objects_left(world.api(here), here)
        if left:
            yield from _run(world, here, "init", kubeadm.upload(world, here, left), timeout)
    here.flush()
    yield world.seconds(0.2)
    world.api(here).recorded.add(here.id)
    yield world.seconds(0.2)
    world.api(here).auto_approve = False
    return {"changed": []}


def join(world: World, here: Server, fence: int, box: Box, timeout: float = 540) -> Steps:
    """Join with the admission in a box."""
    yield world.seconds(0.3)
    fencing.admit(world, here, fence)
    opened = k8s_admission.open_box(here, box, world.now)
    _refuse_if_running(here)
    left = leftovers(here)
    if left:
        raise SimulatedError(f"an earlier kubeadm left something here ({', '.join(left)}): reset this server")
    if opened.control_plane:
        here.write("ca", opened.ca, world.now)
        here.disk.ca_key = True
        here.flush()
        yield world.seconds(0.2)
    world.tell("joins", server=here.id, control_plane=opened.control_plane)
    yield from _run(world, here, "join", kubeadm.join(world, here, opened), timeout)
    here.flush()
    return {"changed": ["join"]}


def finish_join(world: World, here: Server, fence: int, spec: dict[str, Any], timeout: float = 540) -> Steps:
    """Finish the join of a server that votes: its files, its kubelet's credentials, its mark."""
    yield world.seconds(0.3)
    fencing.admit(world, here, fence)
    if here.disk.etcd_member is None:
        raise SimulatedError("this server holds no etcd data, though etcd counts on it")
    _refuse_busy_or_orphaned(here, joined=True)
    changed = yield from _complete_files(world, here, timeout, joined=True)
    here.disk.bootstrap_token = None
    if changed or world.serving(here) is None:
        yield from _run(world, here, "init", kubeadm.start_control_plane(world, here), timeout)
    node = world.api(here).nodes.get(here.id)
    if node is None or kubeadm.CONTROL_PLANE_LABEL not in node.labels:
        yield from _run(world, here, "init", kubeadm.mark(world, here, world.taints_of_init), timeout)
    kubeadm.finalize(world, here)
    here.flush()
    return {"changed": []}


def reset(
    world: World, here: Server, fence: int, cluster: str, not_voting: bool = False, timeout: float = 300
) -> Steps:
    """Reset the server, unless its etcd data may count."""
    yield world.seconds(0.3)
    fencing.admit(world, here, fence)
    _refuse_if_running(here)
    refuse_voter(world, here, not_voting)
    here.disk.endpoint = None
    world.tell("resets", server=here.id)
    yield from _run(world, here, "reset", kubeadm.reset(world, here), timeout)
    yield world.seconds(0.2)
    if here.disk.etcd_member is not None:
        world.tell("wiped", server=here.id)
        here.disk.etcd_member = None
    yield world.seconds(0.2)
    here.disk.ca, here.disk.ca_key, here.disk.certificates = None, False, False
    here.disk.torn.clear()
    return {"changed": ["reset"]}


def wait(world: World, here: Server, timeout: float = 540) -> Steps:
    """Wait until no kubeadm runs here; return what became of the last one."""
    yield world.seconds(0.1)
    if not (yield Until(lambda: not here.kubeadm_runs, timeout)):
        raise SimulatedError(f"kubeadm is still running after {timeout:.0f} s and goes on")
    last = here.kubeadm
    return {"verb": last.verb, "ok": not last.error, "output": last.error} if last else None


def refuse_voter(world: World, here: Server, not_voting: bool) -> None:
    """Refuse to reset a server whose etcd data may count."""
    if here.disk.etcd_member is None:
        return
    cluster = world.cluster_of(here)
    member = cluster.of(here) if cluster else None
    if cluster is None or member is None or not member.up:
        if not_voting:
            return
        raise SimulatedError("this server holds etcd data, and whether etcd counts on it is not known here")
    if not member.learner and (cluster.quorum or not not_voting):
        raise SimulatedError("this server votes in etcd: a reset would wipe its data under the cluster")


def _run(world: World, here: Server, verb: str, steps: Steps, timeout: float) -> Steps:
    """Start kubeadm as a unit of its own and wait for its end."""
    _refuse_if_running(here)
    if here.disk.version is None:
        raise SimulatedError("there is no kubeadm on this server: run `state.apply k8s.server` on it first")
    started = start(world, here, verb, steps)
    if not (yield Until(lambda: not started.running, timeout)):
        raise SimulatedError(f"kubeadm {verb} is still running after {timeout:.0f} s and goes on")
    if started.error:
        raise SimulatedError(f"kubeadm {verb} failed: {started.error}")


def start(world: World, here: Server, verb: str, steps: Steps) -> Kubeadm:
    """Start kubeadm; nothing but a power cut ends it."""
    unit = Kubeadm(verb, world.now)

    def ended(value: Any, error: Exception | None) -> None:
        unit.running, unit.error = False, str(error or "")

    here.kubeadm = unit
    world.tell("kubeadm_starts", server=here.id, unit=unit)
    unit.process = world.clock.spawn(steps, ended)
    return unit


def _refuse_if_running(here: Server) -> None:
    if here.kubeadm and here.kubeadm.running:
        raise SimulatedError(f"kubeadm {here.kubeadm.verb} is running since {here.kubeadm.since:.0f}: wait")


def leftovers(here: Server) -> list[str]:
    """What makes a server a node, or part of one."""
    disk = here.disk
    left = {
        "ca": disk.ca,
        "kubelet_conf": disk.kubelet_conf,
        "kubelet_config": disk.kubelet_config,
        "bootstrap_kubelet_conf": disk.bootstrap_token,
        "admin_conf": disk.admin_conf,
        "manifests": disk.manifests,
        "etcd_data": disk.etcd_member,
    }
    return [name for name, there in left.items() if there]


def _complete_files(world: World, here: Server, timeout: float, *, joined: bool, anew: bool = False) -> Steps:
    """Make the files that are missing or torn, and put them on disk; return whether any was.

    anew: the manifests are written in any case.
    """
    missing = _missing_files(here) | ({"etcd", *STATIC_PODS} if anew else set())
    if missing:
        kind = "existing" if joined else "new"
        yield from _run(world, here, "init", kubeadm.write_files(world, here, missing, kind), timeout)
        here.flush()
    return bool(missing)


def _refuse_busy_or_orphaned(here: Server, *, joined: bool) -> None:
    _refuse_if_running(here)
    if here.disk.ca in (None, UNREADABLE) and (joined or here.disk.etcd_member is not None):
        raise SimulatedError("this server holds etcd data, but not the whole CA")


def _take_down(world: World, here: Server) -> Steps:
    """Stop what runs by an older spec, and remove what the CA and the spec make again."""
    objects = world.serving(here)
    if objects is not None and objects.nodes.keys() - {here.id}:
        raise SimulatedError("others joined this cluster meanwhile")
    here.stop_kubelet(world.now)
    here.pods.clear()
    yield world.seconds(2)
    disk = here.disk
    disk.certificates = disk.admin_conf = disk.kubelet_conf = disk.kubelet_conf_final = False


def _missing_files(here: Server) -> set[str]:
    disk = here.disk
    there = {
        "ca": disk.ca not in (None, UNREADABLE),
        "certificates": disk.certificates,
        "admin_conf": disk.admin_conf,
        "kubelet_conf": disk.kubelet_conf,
        **{pod: pod in disk.manifests for pod in ("etcd", *STATIC_PODS)},
    }
    if not there["ca"]:
        return set(there)
    return {piece for piece, whole in there.items() if not whole or piece in disk.torn}


def _start_and_upload(world: World, here: Server, phases: tuple[str, ...]) -> Steps:
    yield from kubeadm.start_control_plane(world, here)
    yield from kubeadm.upload(world, here, phases)


def _objects_left(objects: Objects, here: Server) -> list[str]:
    node = objects.nodes.get(here.id)
    marked = node is not None and kubeadm.CONTROL_PLANE_LABEL in node.labels
    there = objects.phases | ({"mark_control_plane"} if marked else set())
    if "kubeadm_config" not in there:
        return list(INIT_PHASES)
    return [phase for phase in INIT_PHASES if phase not in there]


FUNCTIONS = {
    "k8s_kubeadm.init": init,
    "k8s_kubeadm.join": join,
    "k8s_kubeadm.finish_join": finish_join,
    "k8s_kubeadm.reset": reset,
    "k8s_kubeadm.wait": wait,
}
