"""What a server is to its cluster right now: one word, decided from facts alone."""

from __future__ import annotations

from enum import Enum

from k8s_lifecycle.model.facts import CONTROL_PLANE_MANIFESTS, Facts, Node, Server, View
from k8s_lifecycle.model.spec import Spec


class Condition(Enum):
    """The conditions of a server that the spec names."""

    SILENT = "did not answer"
    BARE = "is bare"
    REINSTALLED = "is bare, though its node is still in the cluster"
    MEMBER = "is a member"
    HALF_INITIALISED = "holds an init that did not finish"
    LEFTOVER = "holds a join that did not finish, and nobody counts on it"
    LEARNER = "is an etcd learner whose join did not finish"
    UNFINISHED_VOTER = "is a voting etcd member whose join did not finish"
    REINSTALLED_VOTER = "was reinstalled, and etcd still counts on it"
    FOREIGN = "belongs to another cluster"
    RENAMED = "is a node whose name is not its minion id"
    LOCKED_OUT = "is a node that was opened for pods, and its kubelet's credentials are gone"
    UNKNOWN = "holds a control plane, and etcd does not tell whether it counts on it"
    UNSTARTED = "holds etcd data and starts no etcd, while other control planes wait for a quorum"
    STOPPED = "holds a control plane whose API does not answer"
    UNJUDGED = "holds a node's credentials, and no API server answers that could tell whose"


def conditions(spec: Spec, facts: Facts, servers: list[str]) -> dict[str, Condition]:
    """Return the condition of each of these servers."""
    return {server: condition(spec, facts, server) for server in servers}


def condition(spec: Spec, facts: Facts, name: str) -> Condition:
    """Return what this server is to its cluster."""
    server = facts.servers.get(name)
    if server is None:
        return Condition.SILENT
    control_plane = name in spec.control_plane.servers
    if facts.cluster is None:
        return _without_api(spec, facts, server) if control_plane else _worker_without_api(server)
    if server.authority and server.authority != facts.cluster.ca:
        return Condition.FOREIGN
    if control_plane:
        return _control_plane(spec, facts.cluster, server)
    return _worker(spec, facts.cluster, server)


def begins(spec: Spec, facts: Facts, server: Server) -> bool:
    """Whether this server holds an init that nobody can have joined: it may begin again, but for CA and data.

    It has not come to kubeadm's phase kubelet-finalize, which a join follows; every other server of the
    cluster is seen to be bare; and an API that answers knows no other node.
    """
    if server.bare or server.kubelet_conf_final or not_seen_bare(facts, server.id):
        return False
    nodes = facts.cluster.nodes if facts.cluster else {}
    return not (nodes.keys() - {spec.node_name(server.id)})


def not_seen_bare(facts: Facts, server: str) -> list[str]:
    """Return who may have joined what this server holds: all others that are not seen to be bare."""
    living = (name for name, other in facts.servers.items() if name != server and not other.bare)
    return sorted({*living, *facts.missing, *facts.failed})


def _without_api(spec: Spec, facts: Facts, server: Server) -> Condition:
    if server.bare:
        return Condition.BARE
    if server.runs_control_plane:
        return Condition.HALF_INITIALISED if begins(spec, facts, server) else Condition.STOPPED
    others = (facts.servers[name] for name in spec.control_plane.servers if name in facts.servers)
    if server.etcd_data and any(other.runs_control_plane for other in others):
        return Condition.UNSTARTED
    return Condition.HALF_INITIALISED


def _worker_without_api(server: Server) -> Condition:
    """Without an API nothing tells a join that did not finish from a node that serves: it is left alone."""
    return Condition.BARE if server.bare else Condition.UNJUDGED


def _control_plane(spec: Spec, view: View, server: Server) -> Condition:
    member = view.member(spec.node_name(server.id), server.addresses)
    if member is None:
        return _without_member(spec, view, server)
    if member.learner:
        return Condition.LEARNER
    if not server.etcd_data:
        return Condition.REINSTALLED_VOTER
    if view.members is not None and len(view.members) == 1 and missing_phases(spec, view):
        return Condition.HALF_INITIALISED
    node = view.nodes.get(spec.node_name(server.id))
    labelled = node is not None and "node-role.kubernetes.io/control-plane" in node.labels
    complete = server.manifests >= CONTROL_PLANE_MANIFESTS and labelled and _came_up(server, node)
    return Condition.MEMBER if complete else Condition.UNFINISHED_VOTER


def _came_up(server: Server, node: Node | None) -> bool:
    """Whether a join or an init has ended well: one whose kubelet was torn by a power cut has not.

    Once a node was opened for pods, its kubelet's troubles are no matter of its join.
    """
    if node is None or not server.kubelet_conf:
        return False
    return server.kubelet_active or not node.starts_up


def _without_member(spec: Spec, view: View, server: Server) -> Condition:
    if server.bare:
        return _bare(spec, view, server)
    if view.members is None:
        return Condition.UNKNOWN
    here = [one for one in view.members if one.name and not one.hosts.isdisjoint(server.addresses)]
    if here and (server.etcd_data or any(one.healthy for one in here)):
        return Condition.RENAMED
    return Condition.LEFTOVER if server.authority or not server.etcd_data else Condition.FOREIGN


def _worker(spec: Spec, view: View, server: Server) -> Condition:
    if server.bare:
        return _bare(spec, view, server)
    if server.etcd_data or server.manifests & CONTROL_PLANE_MANIFESTS:
        return Condition.FOREIGN
    node = view.nodes.get(spec.node_name(server.id))
    if _came_up(server, node):
        return Condition.MEMBER
    if node is not None and not node.starts_up:
        return Condition.LOCKED_OUT
    others = (one for one in view.nodes.values() if one.ready and one is not node)
    serves = any(set(one.addresses) & set(server.addresses) for one in others)
    return Condition.RENAMED if serves else Condition.LEFTOVER


def _bare(spec: Spec, view: View, server: Server) -> Condition:
    return Condition.REINSTALLED if spec.node_name(server.id) in view.nodes else Condition.BARE


def missing_phases(spec: Spec, view: View) -> list[str]:
    """Return what an init has left to do: what a living API says is not there, or still there.

    The binding that approves any bootstrap token's request goes last of all.
    """
    disabled = {
        "coredns": spec.kubeadm.cluster.get("dns", {}).get("disabled", False),
        "kube_proxy": spec.kubeadm.cluster.get("proxy", {}).get("disabled", False),
    }
    needed = ("kubeadm_config", "kubelet_config", "cluster_info", "bootstrap_rbac", "coredns", "kube_proxy")
    missing = [phase for phase in needed if not view.phases.get(phase) and not disabled.get(phase)]
    return [*missing, *(["restricted bootstrap tokens"] if view.auto_approve else [])]
