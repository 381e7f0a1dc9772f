"""Make a control plane server whole: begin `kubeadm init`, or finish an init or a join that was cut off.

Every phase of kubeadm keeps what is whole, so that finishing is: see what is there, remove what is torn, run
the phases whose work is missing. Of an init that is made anew only the CA and etcd's data are kept. The files
come first and are put on disk before the kubelet starts anything: after that a power cut cannot leave an etcd
with data under a CA that is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

from k8s_lifecycle.cluster import bootstrap_token, init_objects
from k8s_lifecycle.cluster.api import Api, KubernetesError
from k8s_lifecycle.cluster.etcd import Etcd, EtcdError
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import kubeadm_config
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import (
    durable,
    init_phases,
    kubeadm_unit,
    kubernetes_files,
    processes,
    remains,
    static_pods,
)
from k8s_lifecycle.server.remains import State

ETCD_DATA = Path("/var/lib/etcd/member")
KUBELET = Path("/var/lib/kubelet")
KUBELET_KUBECONFIG = remains.ROOT / "kubelet.conf"
BOOTSTRAP_KUBECONFIG = remains.ROOT / "bootstrap-kubelet.conf"

Phases = Callable[[Collection[str]], None]


def initialise(spec: Spec, server: str, address: str, timeout: float, *, anew: bool) -> list[str]:
    """Begin or finish `kubeadm init`; return the phases that ran.

    anew: nobody can have joined, and what stopped it may have been the spec, which was corrected since: all
    but the CA and the data follow the spec as it is now.
    """
    done, kubeadm = _runner(spec, server, address, timeout)
    new = not ETCD_DATA.exists()
    _refuse_busy_or_orphaned(joined=False)
    if anew:
        _take_down(spec, server, address)
    changed = _complete_files(kubeadm, joined=False, anew=anew)
    start = () if _runs() and not changed else init_phases.START
    if new or anew:
        kubeadm((*start, *init_phases.OBJECTS, init_phases.FINALIZE))
    else:
        kubeadm(start)
        api = Api.local()
        marked = init_objects.is_marked(api, spec.node_name(server))
        there = init_objects.phases_there(api) | ({"mark-control-plane"} if marked else set())
        kubeadm([*init_phases.objects_left(there), *_finalize()])
    _keep(done)
    return done


def finish_join(spec: Spec, server: str, address: str, timeout: float) -> list[str]:
    """Finish the join of a server that etcd counts on; return the phases that ran.

    kubeadm's join cannot go on where it stopped. What is left of it are phases that init has, too, and this
    server has the CA, so that the kubelet's credentials are made here.
    """
    _refuse_unless_counted_on()
    _refuse_busy_or_orphaned(joined=True)
    done, kubeadm = _runner(spec, server, address, timeout)
    changed = _complete_files(kubeadm, joined=True)
    BOOTSTRAP_KUBECONFIG.unlink(
        missing_ok=True
    )  # a token is in it, and the kubelet has better credentials now
    kubeadm(() if _runs() and not changed else init_phases.START)
    marked = init_objects.is_marked(Api.local(), spec.node_name(server))
    kubeadm([*(() if marked else ("mark-control-plane",)), *_finalize()])
    _keep(done)
    return done


def _refuse_unless_counted_on() -> None:
    """Without a log, etcd would take a manifest of init's as the order to begin a cluster of its own."""
    if not any((ETCD_DATA / "wal").glob("*.wal")):
        raise HostError(
            "this server holds no etcd data, though etcd counts on it: it was reinstalled — remove the "
            "member behind the quorum proof, then let the server join again"
        )
    etcd = Etcd(remains.ROOT / "pki/etcd")
    try:
        own = etcd.own_id()
        learns = any(member.learner for member in etcd.membership().members if member.id == own)
    except EtcdError:  # nothing starts it yet, or what starts it is torn
        return
    if learns:
        raise HostError(
            "this server is an etcd learner: its join cannot be finished — remove the member through another "
            "one (k8s_etcd.remove_member), reset the server, then let it join again"
        )


def _runner(spec: Spec, server: str, address: str, timeout: float) -> tuple[list[str], Phases]:
    """Return a function that runs phases within one deadline, and the list of those that ran."""
    deadline = time.monotonic() + timeout
    done: list[str] = []

    def kubeadm(phases: Collection[str]) -> None:
        if not phases:
            return
        documents = kubeadm_config.init_documents(
            spec, server=server, address=address, token=bootstrap_token.new()
        )
        skip = init_phases.skipping(phases, documents[0]["skipPhases"])
        left = max(1.0, deadline - time.monotonic())
        with static_pods.heard(waited=init_phases.WAIT in phases):
            kubeadm_unit.run(["init", "--skip-token-print", skip], documents, left)
        done.extend(phases)

    return done, kubeadm


def _complete_files(kubeadm: Phases, *, joined: bool, anew: bool = False) -> bool:
    """Make the files that are missing or torn, and put them on disk; return whether any was.

    anew: the manifests are written in any case.
    """
    remains.remove_torn()
    left = init_phases.files_left(remains.examine(), joined=joined, anew=anew)
    kubeadm(left)
    if left:
        durable.flush(remains.ROOT)
    return bool(left)


def _refuse_busy_or_orphaned(*, joined: bool) -> None:
    """Raise an error where a kubeadm runs, or where there is data whose CA is lost."""
    kubeadm_unit.refuse_if_running()
    states = remains.examine()
    lost = [piece for piece in remains.CA_PIECES if states[piece] is not State.WHOLE]
    if lost and (joined or ETCD_DATA.exists()):
        raise HostError(
            f"this server holds etcd data, but not the whole CA ({', '.join(lost)}): the data is another "
            "cluster's, or the CA was lost — bring /etc/kubernetes/pki back from a back-up or another "
            "control plane; reset the server (k8s_kubeadm.reset) only if that data is given up"
        )


def _take_down(spec: Spec, server: str, address: str) -> None:
    """Stop what runs by an older spec, and remove what the CA and the spec make again.

    A kubelet that has heard of no API server ends no pod: what runs by an older manifest would stay.
    """
    _refuse_other_nodes(spec.node_name(server))
    if ETCD_DATA.exists() and (kept := static_pods.differences(_kept_by_etcd(spec, address))):
        raise HostError(
            f"etcd has begun with another {', '.join(kept)} than the spec asks for, and its data keeps it — "
            "nobody has joined: `kubeadm reset` this server yourself, then run again"
        )
    static_pods.stop()
    kubeadm_unit.refuse_if_running()  # that took a while
    remains.remove_derived()


def _kept_by_etcd(spec: Spec, address: str) -> dict[str, str]:
    """Return the flags of components whose values are in etcd's data, too, once it has begun with them."""
    host = f"[{address}]" if ":" in address else address
    return {
        "kube-apiserver --service-cluster-ip-range": spec.networks.services,
        "kube-controller-manager --cluster-cidr": spec.networks.pods,
        "etcd --initial-advertise-peer-urls": f"https://{host}:2380",
    }


def _refuse_other_nodes(node: str) -> None:
    """Look again: an API server that answers here may know of somebody."""
    try:
        nodes = Api.local().get("/api/v1/nodes")["items"]
    except KubernetesError:
        return
    if others := sorted({found["metadata"]["name"] for found in nodes} - {node}):
        raise HostError(f"{', '.join(others)} joined this cluster meanwhile — run again")


def _keep(done: list[str]) -> None:
    """Only what a power cut does not undo is reported as done."""
    if done:
        durable.flush(remains.ROOT)
        durable.flush(KUBELET)


def _runs() -> bool:
    """Whether the kubelet has its configuration and runs, and the API server obeys the administrator."""
    if "kubelet" not in processes.names() or not (KUBELET / "config.yaml").exists():
        return False
    try:
        Api.local().get("/api/v1/namespaces/kube-system")
    except KubernetesError:
        return False
    return True


def _finalize() -> tuple[str, ...]:
    return () if kubernetes_files.is_final(KUBELET_KUBECONFIG) else (init_phases.FINALIZE,)
