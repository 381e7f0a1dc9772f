"""Pods of a node, seen and evicted through this control plane server."""

from __future__ import annotations

from typing import Any

from k8s_lifecycle import failures, fencing
from k8s_lifecycle.cluster import drain
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.model.eviction import Options

__virtualname__ = "k8s_drain"


def look(nodes: list[str], options: dict[str, Any] | None = None) -> dict[str, dict[str, Any] | None]:
    """Return what a drain would do with the pods of these nodes. Changes nothing.

    nodes
        The names of the nodes, a list.
    options
        As in ``k8s_drain.evict``.

    Returns for each node, by name, None where there is no such node, otherwise:

    hold
        The node's hold, as in ``k8s_hold.take``; None where nobody has it.
    cordoned
        Whether the node is cordoned.
    unreachable
        Whether its kubelet has not been heard of for so long that it counts as unreachable.
    goes
        The pods that are evicted: a list, each with ``pod`` (namespace/name) and ``why``, which also says
        what its disruption budget allows now.
    stays
        The pods that stay, likewise: static ones, those of a DaemonSet, and those that ignore the cordon.
    forbidden
        The pods that stand in the way, likewise: something would be lost, or no eviction is ever allowed.
    volumes
        The PersistentVolumes of the pods that go, and of those that went under the hold: a list of names.
    attachments
        Which of these are still attached though no pod is left that goes, a list of texts.

    Raises an error if the API server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_drain.look '[dc1-w-1]'
    """
    with failures.told(f"looking at the pods of {', '.join(nodes)}"):
        api, wanted = Api.local(), Options(**options or {})
        budgets = drain.budgets(api)
        return {node: drain.look(api, node, wanted, budgets) for node in nodes}


def evict(
    node: str,
    run: str,
    options: dict[str, Any] | None = None,
    seconds: float = 15,
    fence: int | None = None,
) -> dict[str, list[Any]]:
    """Evict the pods of a node that a run holds, and wait for them for a while; call again until it is done.

    It stands on the eviction API, with each pod's own grace period, and asks again where a budget forbids it
    now: https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/

    node
        The node's name.
    run
        The id of the run that holds the node (``k8s_hold.take``): each turn looks whether it still does.
    options
        A mapping, with the names of the options of ``kubectl drain``: ``force``, ``delete_emptydir_data`` and
        ``disable_eviction`` (each True or False), ``grace_period`` and ``skip_wait_for_delete_timeout``
        (seconds). Default: those of ``kubectl drain``. Pods of DaemonSets always stay. On a node that cannot
        be reached a pod that has been ending for 60 s is not waited for, unless the options say otherwise.
    seconds
        For how many seconds. Default: 15.
    fence
        The fencing number of the run, a whole number. Default: none, where no run but the hold alone protects
        the node.

    Returns what is left: ``left``, a list of pods, each with ``pod`` and ``why`` (which budget forbids it and
    by how much, or that it is ending, and what holds it); ``never``, those of which waiting is no use; and
    ``attachments``, the volumes that are still attached for pods that went. All are empty when it is done.
    Also ``skipped``, the pods that are ending and not waited for, and ``lost``: who has the node, where the
    run does not hold it any more; nothing is evicted then.

    Raises an error if this server has seen a higher fencing number, or the API server on this server does not
    answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_drain.evict dc1-w-1 20260131T120000Z-1a2b3c
    """
    with failures.told(f"draining node {node}"):
        if fence is not None:
            fencing.admit(fence)
        return drain.evict(Api.local(), node, run, Options(**options or {}), seconds)
