"""Which control plane servers carry the endpoint together: each must know the addresses of all others.

Two that do not know each other would both carry the virtual address: keepalived takes it where it hears no
other (https://datatracker.ietf.org/doc/html/rfc5798, 6.4.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from k8s_lifecycle.decision.condition import Condition
from k8s_lifecycle.decision.plan import Step, Wave
from k8s_lifecycle.model import endpoint
from k8s_lifecycle.model.facts import Endpoint, Facts, Server
from k8s_lifecycle.model.spec import Spec

# In this order. A member of etcd that is left behind would keep the next control plane waiting.
END = (
    "to let it go, `salt {0} state.single k8s_server.endpoint_absent endpoint`, remove its etcd member if it "
    "has one, then its node"
)
# Reinstalled: they carried the endpoint before, so that also those who do not answer know them.
CAME_BACK = (Condition.REINSTALLED, Condition.REINSTALLED_VOTER)


def peers(spec: Spec, facts: Facts) -> dict[str, str]:
    """Return the address of each server that may carry the endpoint: its own word, else what others know."""
    known = _known(facts)
    told = {name: server.addresses[0] for name, server in facts.servers.items() if server.addresses}
    names = (*spec.control_plane.servers, *leaving(spec, facts))
    return {name: address for name in names if (address := told.get(name, known.get(name)))}


def leaving(spec: Spec, facts: Facts) -> list[str]:
    """Return who carries the endpoint still, though the spec does not name it any more.

    It stays a peer: dropped by the others it would hear none of them, and carry the virtual address besides.
    One that is not asked, since it is in no pool, counts while it has a node.
    """
    nodes = facts.cluster.nodes if facts.cluster else {}
    return [
        name
        for name in _unnamed(spec, facts)
        if (facts.servers[name].endpoint if name in facts.servers else spec.node_name(name) in nodes)
    ]


def dropped(spec: Spec, facts: Facts) -> list[str]:
    """Return who is no peer any more, though nobody has seen that it does not carry the endpoint."""
    stay = leaving(spec, facts)
    return [name for name in _unnamed(spec, facts) if name not in stay and name not in facts.servers]


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
    """Return which new servers must wait, since one that carries the endpoint cannot be told, and why.

    One that carries it already was announced to all others before.
    """
    silent, left = _silent(spec, facts), leaving(spec, facts)
    if not (silent or left) or not endpoint.is_managed(spec, "control-plane"):
        return {}
    first = "carries the endpoint, must be told of it first"
    why = [f"{name} {first}, and does not answer — bring its minion back" for name in silent]
    why += [
        f"{name} {first}, and is not in the spec — name it there again, or {END.format(name)}"
        for name in left
    ]
    return {
        name: f"{'; '.join(why)}; then run again"
        for name in spec.control_plane.servers
        if name in facts.servers
        and not facts.servers[name].endpoint
        and state[name] not in (Condition.MEMBER, Condition.UNFINISHED_VOTER)
        and not (state[name] in CAME_BACK and _is_known(facts, name))
    }


def _endpoints(facts: Facts) -> list[Endpoint]:
    return [server.endpoint for server in facts.servers.values() if server.endpoint]


def _known(facts: Facts) -> dict[str, str]:
    """Return the addresses of all that those who carry the endpoint know, by server."""
    return {name: address for have in _endpoints(facts) for name, address in have.peers.items()}


def _unnamed(spec: Spec, facts: Facts) -> list[str]:
    return sorted(_known(facts).keys() - set(spec.control_plane.servers))


def _silent(spec: Spec, facts: Facts) -> list[str]:
    nodes = facts.cluster.nodes if facts.cluster else {}
    known = _known(facts)
    return [
        name
        for name in spec.control_plane.servers
        if name not in facts.servers and (name in known or spec.node_name(name) in nodes)
    ]


def _is_known(facts: Facts, name: str) -> bool:
    """Whether all who carry the endpoint and answer know this server where it is now."""
    have = [found.peers.get(name) for found in _endpoints(facts)]
    return bool(have) and set(have) <= set(facts.servers[name].addresses[:1])


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
