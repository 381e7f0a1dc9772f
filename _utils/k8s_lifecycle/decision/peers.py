"""Which control plane servers carry the endpoint together: each must know the addresses of all others.

Two that do not know each other would both carry the virtual address: keepalived takes it where it hears no
other (https://datatracker.ietf.org/doc/html/rfc5798, 6.4.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from k8s_lifecycle.decision.condition import Condition
from k8s_lifecycle.decision.plan import Step, Wave
from k8s_lifecycle.model import endpoint
from k8s_lifecycle.model.facts import Facts, Server
from k8s_lifecycle.model.spec import Spec


def peers(spec: Spec, facts: Facts) -> dict[str, str]:
    """Return the address of each control plane server: its own word, else what the members know.

    One that the spec does not name any more counts while its node is a control plane: dropped by the others
    it would hear none, and carry the virtual address besides.
    """
    known = {
        name: address
        for server in facts.servers.values()
        if server.endpoint
        for name, address in server.endpoint.peers.items()
    }
    told = {name: server.addresses[0] for name, server in facts.servers.items() if server.addresses}
    names = (*spec.control_plane.servers, *leaving(spec, facts))
    return {name: address for name in names if (address := told.get(name, known.get(name)))}


def leaving(spec: Spec, facts: Facts) -> list[str]:
    """Return who carries the endpoint and is a control plane in the cluster, but not in the spec any more."""
    nodes = facts.cluster.nodes if facts.cluster else {}
    known = {name for server in facts.servers.values() if server.endpoint for name in server.endpoint.peers}
    return sorted(
        name
        for name in known.difference(spec.control_plane.servers)
        if (node := nodes.get(spec.node_name(name))) and node.is_control_plane
    )


def updates(spec: Spec, facts: Facts, state: Mapping[str, Condition]) -> Wave:
    """Return who must be told of the others, one by one, before a new server carries the endpoint."""
    wanted = peers(spec, facts)
    steps = [
        Step("update_endpoint", name, f"its endpoint does not know {', '.join(changed)} as it is now")
        for name, server in facts.servers.items()
        if name in spec.control_plane.servers
        and not server.bare
        and (server.endpoint or state[name] is Condition.MEMBER)
        and (changed := _changed(wanted, server))
    ]
    managed = endpoint.is_managed(spec, "control-plane")
    return Wave("endpoint, one by one", tuple(steps) if managed else ())


def unannounced(spec: Spec, facts: Facts, state: Mapping[str, Condition]) -> dict[str, str]:
    """Return which new servers must wait, since a silent control plane may not know them, and why."""
    nodes = facts.cluster.nodes if facts.cluster else {}
    silent = [
        name
        for name in spec.control_plane.servers
        if state[name] is Condition.SILENT and spec.node_name(name) in nodes
    ]
    if not silent or not endpoint.is_managed(spec, "control-plane"):
        return {}
    wanted = peers(spec, facts)
    members = [server for name, server in facts.servers.items() if state.get(name) is Condition.MEMBER]
    changed = {name for server in members if server.endpoint for name in _changed(wanted, server)}
    reason = f"{', '.join(silent)} carries the endpoint, must be told of it first, and does not answer"
    return {
        name: f"{reason} — bring its minion back, then run again"
        for name in sorted(changed)
        if name in facts.servers and state[name] is not Condition.MEMBER
    }


def _changed(wanted: Mapping[str, str], server: Server) -> list[str]:
    have = server.endpoint.peers if server.endpoint else {}
    return sorted(name for name in wanted.keys() | have.keys() if wanted.get(name) != have.get(name))


def refusals(spec: Spec, facts: Facts) -> list[str]:
    """Return where a member carries another endpoint than the spec asks for."""
    wanted = endpoint.mark(spec)
    return [
        f"control_plane.endpoint: {name} carries another one ({server.endpoint.mark}) than the spec asks for "
        f"({wanted}), and no operation can change it yet — write what it carries"
        for name in spec.control_plane.servers
        if (server := facts.servers.get(name))
        and server.endpoint
        and not server.bare
        and endpoint.is_managed(spec, "control-plane")
        and server.endpoint.mark != wanted
    ]
