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


def init(fence: int, cluster: str, spec: dict[str, Any], timeout: float = 540) -> dict[str, list[str]]:
    """
    Initialise the first control plane of a cluster on this server, or finish an init that was cut off.

    What is whole is kept, what is torn is made anew, what is missing is added; on a whole control plane
    nothing runs. The bootstrap token that kubeadm makes is deleted, and so is the binding by which any
    bootstrap token gets a certificate for any node.

    fence
        The fencing number of the run.
    cluster
        The cluster's name.
    spec
        The cluster's spec, as plain data.
    timeout
        For how many seconds to wait. kubeadm goes on after that, and ``k8s_kubeadm.wait`` waits for it.

    Returns the phases of kubeadm that ran: ``changed``.

    Raises an error with kubeadm's last lines.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_kubeadm.init 7 dc1-prod '{...}'
    """
    with failures.told(f"kubeadm init of {cluster}"):
        fencing.admit(fence)
        wanted = specs.from_dict(spec)
        server = __opts__["id"]
        changed = initialise.initialise(wanted, server, addresses.shown(wanted), timeout)
        api = Api.local()
        bootstrap_token.delete_described(api, kubeadm_config.INIT_TOKEN_DESCRIPTION)
        servers.record(api, wanted.node_name(server), server, addresses.outside(wanted, addresses.own()))
        api.delete(init_objects.AUTO_APPROVE)  # the last of it: while it is there, the init is not finished
        return {"changed": changed}


def join(fence: int, box: str, timeout: float = 540) -> dict[str, list[str]]:
    """
    Join the cluster that this server asked to join, with the admission in a sealed box.

    The private key that opens the box is destroyed, and what kubeadm reads goes away when it ends.

    fence
        The fencing number of the run.
    box
        What ``k8s_admission.mint`` returned for this server.
    timeout
        For how many seconds to wait. kubeadm goes on after that, and ``k8s_kubeadm.wait`` waits for it.

    Returns what was done: ``changed``.

    Raises an error with kubeadm's last lines, or with the reason why the box does not open.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_kubeadm.join 7 'eyJs...'
    """
    with failures.told("kubeadm join"):
        fencing.admit(fence)
        material = admission.open_box(box, __opts__["id"])
        return {"changed": joining.join(material, timeout)}


def finish_join(fence: int, spec: dict[str, Any], timeout: float = 540) -> dict[str, list[str]]:
    """
    Finish the join of a control plane that votes in etcd already: it must not be reset.

    Files that are torn or missing are made anew from the CA on this server, the kubelet's credentials
    included; then the kubelet is started and the node marked as a control plane.

    fence
        The fencing number of the run.
    spec
        The cluster's spec, as plain data.
    timeout
        For how many seconds to wait.

    Returns the phases of kubeadm that ran: ``changed``.

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
    """
    Reset this server, so that it can join again: ``kubeadm reset``, and what that leaves behind.

    It refuses on a server whose etcd data may count. Etcd members are never touched: remove them first.

    fence
        The fencing number of the run.
    cluster
        The cluster's name.
    not_voting
        True: a healthy member has just said that this server is no voting member. What the member on this
        server itself says, backed by a quorum, still comes first.
    timeout
        For how many seconds to wait.

    Returns what was there and is gone: ``changed``.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_kubeadm.reset 7 dc1-prod
    """
    with failures.told(f"resetting this server of {cluster}"):
        fencing.admit(fence)
        return {"changed": resetting.reset(not_voting=not_voting, timeout=timeout)}


def wait(timeout: float = 540) -> dict[str, Any] | None:
    """
    Wait until no kubeadm changes this server.

    timeout
        For how many seconds.

    Returns what became of the last kubeadm that ran here: verb, ok and its last lines of output; None where
    that is not known. Raises an error if one still runs then.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_kubeadm.wait timeout=60
    """
    with failures.told("waiting for kubeadm"):
        outcome = kubeadm_unit.wait(timeout)
        return asdict(outcome) if outcome else None
