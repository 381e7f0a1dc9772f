"""The Kubernetes API of a cluster, asked and changed through this control plane server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle import failures, fencing
from k8s_lifecycle.cluster import dns, foreign, init_objects, servers, smoke, view
from k8s_lifecycle.cluster import network_addon as network_addons
from k8s_lifecycle.cluster import nodes as nodes_
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.model import addon
from k8s_lifecycle.model import spec as specs

__virtualname__ = "k8s_api"

__salt__: dict[str, Callable[..., Any]]


def cluster_view(whole: bool = True) -> dict[str, Any]:
    """Return the cluster as this server's own API server and etcd member see it now. Changes nothing.

    whole
        False: only reachable (or error), ca, version and lease, which take a tenth of the requests.
        Default: True.

    Returns a mapping, of which only the first and ``error`` are there where the API server does not answer:

    reachable
        Whether the API server on this server answers, and does not refuse.
    ca
        The hash of the public key of the cluster's CA, ``sha256:...``; None without one, ``unreadable``
        where the file is torn.
    etcd
        What ``k8s_etcd.members`` returns; ``error`` alone where the member on this server does not answer.
    version
        The API server's.
    nodes
        A list, each with name, ready, version, labels, taints (a list, each with key, effect and, if it has
        one, value), unschedulable, settled (what ``k8s_api.settle_node`` gave it: labels, a list of keys, and
        taints, a list of keys with effects; None before that), hold (as in ``k8s_hold.take``; None where
        nobody holds it), and addresses (its internal ones).
    cluster_configuration
        kubeadm's ClusterConfiguration as stored in the cluster; None where it is not.
    kubelet_configuration
        The KubeletConfiguration, likewise.
    phases
        What kubeadm init leaves in the API: kubeadm_config, kubelet_config, cluster_info, bootstrap_rbac,
        coredns and kube_proxy, each whether all of it is there; network_addon: the content hash of the one
        installed, None where there is none or its objects disagree.
    dns_crowded
        Whether all replicas of CoreDNS run on one node though another could take one
        (``k8s_api.spread_dns``).
    auto_approve
        Whether the binding is there that ``k8s_api.restrict_bootstrap`` deletes.
    admissions
        A list of those that were not revoked: token_id, minion, node, and expires in seconds since the epoch.
    lease
        The lock in the API: holder, fence, seconds_left; None where nobody holds it.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.cluster_view
    """
    return view.look() if whole else view.glance()


def overview(kubeconfig: str | None = None, context: str | None = None) -> dict[str, Any]:
    """Return the version and the nodes of a cluster, for the inventory. Changes nothing.

    kubeconfig
        The path of a kubeconfig on this server, of a cluster that somebody else runs; it is asked with
        ``kubectl``. Default: this server's own API server, which must be there.
    context
        The context in that kubeconfig. Default: its current one.

    Returns a mapping, of which only the first and ``error`` are there where the API does not answer:

    reachable
        Whether it answers, and does not refuse.
    version
        The API server's.
    nodes
        A list, each with name, ready, version, unschedulable, hold (as in ``k8s_hold.take``; None where
        nobody holds it), addresses (its internal ones), os and kernel.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.overview
        salt dc1-cp-1 k8s_api.overview /etc/k8s-clusters/gke-eu.conf
    """
    return foreign.look(Path(kubeconfig), context) if kubeconfig else view.brief()


def network_addon(fence: int, spec: dict[str, Any]) -> dict[str, list[str]]:
    """Apply the spec's network addon; workloads of an earlier version of it that it has no more are removed.

    fence
        The fencing number of the run, a whole number.
    spec
        The cluster's spec, a mapping as in the pillar. ``network_addon.kind: none`` applies nothing.

    Returns the objects that were not so before, as ``Kind name``: ``changed``.

    Raises an error if this server has seen a higher fencing number, the spec is not valid, its
    ``network_addon.source`` is not on the master's file server, does not render or is no YAML, the cluster
    does not know a kind, or the API server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.network_addon 7 '{...}'
    """
    with failures.told("applying the network addon"):
        fencing.admit(fence)
        wanted = specs.from_dict(spec)
        kind, source = wanted.network_addon.kind, wanted.network_addon.source
        if kind == "none":
            return {"changed": []}
        template = _cached(source) if kind == "manifest" else ""
        return {"changed": network_addons.apply(Api.local(), addon.manifests(wanted, template))}


def restrict_bootstrap(fence: int) -> dict[str, bool]:
    """Delete the binding by which any bootstrap token gets a certificate for any node at once.

    kubeadm init and kubeadm upgrade make it; requests are approved one by one instead (``k8s_admission``).
    https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join/#securing-more

    fence
        The fencing number of the run, a whole number.

    Returns whether it was there: ``changed``.

    Raises an error if this server has seen a higher fencing number, or the API server on this server does not
    answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.restrict_bootstrap 7
    """
    with failures.told("restricting bootstrap tokens"):
        fencing.admit(fence)
        return {"changed": Api.local().delete(init_objects.AUTO_APPROVE)}


def settle_node(
    fence: int,
    node: str,
    labels: dict[str, str],
    taints: list[dict[str, str]],
    remove_startup_taint: bool = False,
) -> dict[str, bool]:
    """Give a node exactly the labels and taints of its place in the cluster. What others put on it stays.

    Which are those of its place is remembered on the node, in the annotation ``k8s-lifecycle/settled``.

    fence
        The fencing number of the run, a whole number.
    node
        The node's name.
    labels
        The labels of its pool, values by key; empty for a control plane.
    taints
        Those of its pool, or of a control plane: a list, each with key, effect and, if it has one, value.
    remove_startup_taint
        True: open the node for pods, since its smoke check has passed. Default: False, the taint
        ``k8s-lifecycle.io/startup`` stays.

    Returns whether that changed it: ``changed``.

    Raises an error if this server has seen a higher fencing number, there is no such node, others changed it
    ten times while it was written, or the API server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.settle_node 7 dc1-w-1 '{"tier": "db"}' '[]' remove_startup_taint=True
    """
    with failures.told(f"settling node {node}"):
        fencing.admit(fence)
        api = Api.local()
        changed = nodes_.settle(api, node, labels, taints, remove_startup_taint=remove_startup_taint)
        return {"changed": changed}


def delete_node(fence: int, node: str) -> dict[str, bool]:
    """Delete a node from the cluster. Its server is not touched, nor is its etcd member.

    Its addresses are forgotten: it gets no serving certificate any more.

    fence
        The fencing number of the run, a whole number.
    node
        The node's name.

    Returns whether it was there: ``changed``.

    Raises an error if this server has seen a higher fencing number, or the API server on this server does not
    answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.delete_node 7 dc1-w-1
    """
    with failures.told(f"deleting node {node}"):
        fencing.admit(fence)
        api = Api.local()
        changed = nodes_.delete(api, node)
        servers.forget(api, node)
        return {"changed": changed}


def wait_ready(node: str, timeout: float = 180) -> str:
    """Wait until a node is Ready.

    node
        The node's name. It may be one that has not registered yet.
    timeout
        For how many seconds. Default: 180.

    Returns why it is not Ready by then, in the kubelet's own words; empty if it is.

    Raises an error if the API server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.wait_ready dc1-w-1 timeout=60
    """
    with failures.told(f"waiting for node {node}"):
        return nodes_.wait_ready(Api.local(), node, timeout)


def wait_not_ready(node: str, timeout: float = 90) -> str:
    """Wait until no kubelet reports for a node any more: it is not Ready, or not in the cluster.

    The controller manager takes a silent node for Ready for 50 s, its ``--node-monitor-grace-period``.
    https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/

    node
        The node's name.
    timeout
        For how many seconds. Default: 90.

    Returns what it still says by then; empty if it is not Ready.

    Raises an error if the API server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.wait_not_ready dc1-w-1 timeout=60
    """
    with failures.told(f"waiting for node {node} not to be Ready"):
        return nodes_.wait_not_ready(Api.local(), node, timeout)


def smoke_check(
    fence: int, spec: dict[str, Any], nodes: list[str], timeout: float = 180
) -> dict[str, dict[str, Any]]:
    """Check each of these nodes by a pod that resolves a Service's name and reaches a pod on another node.

    Nothing of it stays. The other node is any Ready one; where there is none, that part is left out. The pods
    run in ``kube-system`` and tolerate every taint.

    fence
        The fencing number of the run, a whole number.
    spec
        The cluster's spec, a mapping as in the pillar: its ``images.smoke_check`` and
        ``networks.dns_domain``.
    nodes
        The names of the nodes, a list.
    timeout
        For how many seconds in all. Default: 180. The pods to be reached get half of it to start.

    Returns for each node, by name, ``ok`` and ``detail``: what its pod did, or which part failed, and how.

    Raises an error if this server has seen a higher fencing number, the spec is not valid, or the API server
    on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.smoke_check 7 '{...}' '[dc1-w-1]'
    """
    with failures.told(f"checking {', '.join(nodes)} by pods"):
        fencing.admit(fence)
        return smoke.check(Api.local(), specs.from_dict(spec), nodes, timeout)


def spread_dns(fence: int, timeout: float = 90) -> dict[str, Any]:
    """Put CoreDNS on more than one node, once there is a second one that it may run on.

    kubeadm starts all replicas on the first node. One pod is deleted, and no rollout started as in
    https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/adding-linux-nodes/: its pods keep away from
    the old ones only, and may meet again elsewhere.

    fence
        The fencing number of the run, a whole number.
    timeout
        For how many seconds to wait until all replicas are Ready again. Default: 90.

    Returns whether a pod was moved (``changed``), the names of the nodes that CoreDNS runs on (``nodes``),
    and whether every replica is Ready by then (``whole``).

    Raises an error if this server has seen a higher fencing number, or the API server on this server does not
    answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_api.spread_dns 7
    """
    with failures.told("spreading CoreDNS"):
        fencing.admit(fence)
        return dns.spread(Api.local(), timeout)


def _cached(source: str) -> str:
    path = __salt__["cp.cache_file"](source)
    if not path:
        raise CommandExecutionError(
            f"{source} is not on the master's file server: put it there, or correct network_addon.source"
        )
    return Path(path).read_text(encoding="utf-8")
