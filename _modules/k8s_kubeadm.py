"""kubeadm on one server: init, join and reset, begun, finished and waited for.

kubeadm runs as the systemd unit ``k8s-kubeadm.service``, so that it outlives the Salt job that started it;
there is one at a time. All that it printed is in ``/var/log/k8s-lifecycle/`` on the server.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from k8s_lifecycle import failures, fencing
from k8s_lifecycle.cluster import admission, bootstrap_token, init_objects, servers
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.model import kubeadm_config
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.server import addresses, initialise, kubeadm_unit
from k8s_lifecycle.server import join as joining
from k8s_lifecycle.server import reset as resetting

__virtualname__ = "k8s_kubeadm"

__opts__: dict[str, Any]


def init(
    fence: int, cluster: str, spec: dict[str, Any], anew: bool = False, timeout: float = 540
) -> dict[str, list[str]]:
    """Initialise the first control plane of a cluster on this server, or finish an init that was cut off.

    What is whole is kept, what is torn is made anew, what is missing is added; on a whole control plane
    nothing runs. The bootstrap token that kubeadm makes is deleted, and so is the binding by which any
    bootstrap token gets a certificate for any node (``k8s_api.restrict_bootstrap``).

    fence
        The fencing number of the run, a whole number.
    cluster
        The cluster's name, for messages. The cluster is the one that the spec names.
    spec
        The cluster's spec, a mapping as in the pillar.
    anew
        True: nobody can have joined, and the spec may have been corrected since it was cut off. The kubelet,
        etcd and the API server are stopped, and all but the CA and etcd's data is made again. Default: False.
    timeout
        For how many seconds to wait. Default: 540. kubeadm goes on after that, and ``k8s_kubeadm.wait`` waits
        for it.

    Returns the phases of kubeadm that ran: ``changed``.

    Raises an error, before anything is started, if this server has seen a higher fencing number, the spec is
    not valid, a kubeadm runs already or is not installed, or this server has no address of its own, or etcd
    data without the whole CA; and, before anything is made anew, if an API server here knows another node, or
    etcd has begun with other networks or another address. Raises one with kubeadm's last lines if it fails or
    still runs after ``timeout``, and one if the API server on this server does not answer or refuses.

    Phases: https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init/#init-workflow

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_kubeadm.init 7 dc1-prod '{...}'
    """
    with failures.told(f"kubeadm init of {cluster}"):
        fencing.admit(fence)
        wanted = specs.from_dict(spec)
        server = __opts__["id"]
        changed = initialise.initialise(wanted, server, addresses.shown(wanted), timeout, anew=anew)
        api = Api.local()
        bootstrap_token.delete_described(api, kubeadm_config.INIT_TOKEN_DESCRIPTION)
        servers.record(api, wanted.node_name(server), server, addresses.outside(wanted, addresses.own()))
        api.delete(init_objects.AUTO_APPROVE)  # the last of it: while it is there, the init is not finished
        return {"changed": changed}


def join(fence: int, box: str, timeout: float = 540) -> dict[str, list[str]]:
    """Join the cluster that this server asked to join, with the admission in a sealed box.

    The private key that opens the box is destroyed, also where the join then fails: it needs a new admission.
    What kubeadm reads goes away when it ends.

    fence
        The fencing number of the run, a whole number.
    box
        What ``k8s_admission.mint`` returned for this server.
    timeout
        For how many seconds to wait. Default: 540. kubeadm goes on after that, and ``k8s_kubeadm.wait`` waits
        for it.

    Returns what was done: ``changed``, a list with ``join``.

    Raises an error, before anything is started, if this server has seen a higher fencing number, the box does
    not open (it is for another server, cluster or key, expired more than 60 s ago, or was changed), or a
    kubeadm runs already, is not installed or left something here. Raises one with kubeadm's last lines if it
    fails or still runs after ``timeout``.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_kubeadm.join 7 'eyJs...'
    """
    with failures.told("kubeadm join"):
        fencing.admit(fence)
        material = admission.open_box(box, __opts__["id"])
        return {"changed": joining.join(material, timeout)}


def finish_join(fence: int, spec: dict[str, Any], timeout: float = 540) -> dict[str, list[str]]:
    """Finish the join of a control plane that votes in etcd already: it must not be reset.

    Files that are torn or missing are made anew from the CA on this server, the kubelet's credentials
    included; then the kubelet is started and the node marked as a control plane.

    fence
        The fencing number of the run, a whole number.
    spec
        The cluster's spec, a mapping as in the pillar.
    timeout
        For how many seconds to wait. Default: 540. kubeadm goes on after that, and ``k8s_kubeadm.wait`` waits
        for it.

    Returns the phases of kubeadm that ran: ``changed``.

    Raises an error, before anything is started, if this server has seen a higher fencing number, the spec is
    not valid, a kubeadm runs already or is not installed, or this server has no address of its own, no etcd
    data, not the whole CA, or is a learner by etcd's own word. Raises one with kubeadm's last lines if it
    fails or still runs after ``timeout``, and one if the API server on this server does not answer or
    refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-2 k8s_kubeadm.finish_join 7 '{...}'
    """
    with failures.told("finishing kubeadm join"):
        fencing.admit(fence)
        wanted = specs.from_dict(spec)
        server = __opts__["id"]
        return {"changed": initialise.finish_join(wanted, server, addresses.shown(wanted), timeout)}


def reset(fence: int, cluster: str, not_voting: bool = False, timeout: float = 300) -> dict[str, list[str]]:
    """Reset this server, so that it can join again: ``kubeadm reset``, and what that leaves behind.

    Its part of the endpoint ends, too: keepalived and haproxy are stopped, and what we configured is removed.

    It refuses on a server whose etcd data may count. Etcd members are never touched: remove them first.
    kubeadm would remove this server's by itself, and wipe the data also where that failed.
    https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-reset/#reset-workflow

    fence
        The fencing number of the run, a whole number.
    cluster
        The cluster's name, for messages.
    not_voting
        True: a healthy member has just said that this server is no voting member. What the member on this
        server itself says, backed by a quorum, still comes first. Default: False.
    timeout
        For how many seconds to wait for kubeadm. Default: 300. It goes on after that, but what it leaves
        behind stays until the next reset.

    Returns what was done: ``changed``, a list of ``reset``, the files of the endpoint that were removed, the
    directories that were emptied, and the links, chains and tables of the pod network and kube-proxy that
    were removed.

    Raises an error, before anything is changed, if this server has seen a higher fencing number, a kubeadm
    runs already, or etcd counts on the data of this server, or may. Raises one if kubeadm is not installed,
    one with its last lines if it fails or still runs after ``timeout``, or of another command that fails.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_kubeadm.reset 7 dc1-prod
    """
    with failures.told(f"resetting this server of {cluster}"):
        fencing.admit(fence)
        return {"changed": resetting.reset(not_voting=not_voting, timeout=timeout)}


def wait(timeout: float = 540) -> dict[str, Any] | None:
    """Wait until no kubeadm changes this server: init, join, reset or upgrade, whoever started it.

    timeout
        For how many seconds. Default: 540.

    Returns what became of the last kubeadm that this module started: its verb (``verb``), whether it did it
    (``ok``), and its last lines (``output``). None where that is not known, as after a reboot.

    Raises an error if one still runs then, with what it last said. It goes on.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_kubeadm.wait timeout=60
    """
    with failures.told("waiting for kubeadm"):
        outcome = kubeadm_unit.wait(timeout)
        return asdict(outcome) if outcome else None
