"""Decide how nodes are drained: which pods go, in which order, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from k8s_lifecycle.decision.plan import Plan, Step, Wave, waves
from k8s_lifecycle.model.facts import Facts
from k8s_lifecycle.model.hold import DRAIN, HeldError, Hold, keeps, taken
from k8s_lifecycle.model.spec import Assignment, Spec

# What `k8s_drain.look` told of each node, by the server's minion id.
Looks = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True)
class Wanted:
    """A drain that somebody asks for: of which servers, when, with which hold.

    dead: the runs that are known to have been cut off, whose holds it may take over. done: the servers that
    this run has drained and kept already: what people do with them since is theirs.
    """

    servers: tuple[str, ...]
    hold: Hold
    now: datetime
    dead: frozenset[str] = frozenset()
    done: frozenset[str] = frozenset()


def plan(
    spec: Spec,
    facts: Facts,
    assignments: Mapping[str, Assignment],
    looks: Looks,
    wanted: Wanted,
) -> Plan:
    """Plan a drain. All nodes are cordoned before the first eviction: no pod is to land on the next one."""
    if facts.cluster is None:
        return Plan(spec.name, DRAIN, refusals=(no_api(spec),))
    refusals = tuple(_refusals(spec, facts, looks, wanted))
    if refusals:
        return Plan(spec.name, DRAIN, refusals=refusals)
    todo = [server for server in wanted.servers if _to_do(spec, facts, looks, wanted, server)]
    holds = tuple(
        Step("hold", server, f"cordon it: {wanted.hold.reason}", {"volumes": _volumes(looks[server])})
        for server in todo
    )
    return Plan(
        spec.name,
        DRAIN,
        waves=waves(
            Wave("no new pods", holds, window=max(1, len(holds))), _drains(spec, assignments, looks, todo)
        ),
        notes=tuple(note for server in todo for note in _notes(server, looks[server])),
    )


def no_api(spec: Spec) -> str:
    """Return the refusal of whatever needs the API, where no control plane server's answers."""
    return (
        f"{spec.name}: no control plane server's API answers — look at `salt-run k8s.status {spec.name}`, "
        "bring one back, then run again"
    )


def no_node(spec: Spec, server: str) -> str:
    """Return the refusal of what needs the node of a server that has none."""
    return f"the cluster has no node {spec.node_name(server)} — look at `salt-run k8s.status {spec.name}`"


def _refusals(spec: Spec, facts: Facts, looks: Looks, wanted: Wanted) -> Iterator[str]:
    nodes = facts.cluster.nodes if facts.cluster else {}
    for server in (server for server in wanted.servers if server not in wanted.done):
        node, look = nodes.get(spec.node_name(server)), looks.get(server)
        if node is None or look is None:
            yield f"{server}: {no_node(spec, server)}"
            continue
        try:
            new = replace(wanted.hold, was_cordoned=node.unschedulable)
            taken(node.hold, new, wanted.now, wanted.dead)
        except HeldError as held:
            yield f"{server}: {held} — wait for it, or `salt-run k8s.release {server}`, then run again"
        for pod in look["forbidden"]:
            yield f"{server}: {pod['pod']}: {pod['why']} — move or delete it yourself, or name that option"


def _to_do(spec: Spec, facts: Facts, looks: Looks, wanted: Wanted, server: str) -> bool:
    """Whether a node is not drained yet, or not kept so."""
    if server in wanted.done or facts.cluster is None:
        return False
    node, look = facts.cluster.nodes[spec.node_name(server)], looks[server] or {"goes": (), "attachments": ()}
    kept = keeps(node.hold, cordoned=node.unschedulable, operation=DRAIN, now=wanted.now)
    return bool(look["goes"] or look["attachments"] or not kept)


def _volumes(look: Mapping[str, Any] | None) -> list[str]:
    return list(look["volumes"]) if look else []


def _drains(
    spec: Spec, assignments: Mapping[str, Assignment], looks: Looks, todo: list[str]
) -> Iterator[Wave]:
    """Yield a wave for each pool, as wide as the pool bears; control planes go one by one."""
    pools: dict[str, list[Step]] = {}
    for server in todo:
        look = looks[server] or {"goes": (), "stays": ()}
        reason = f"{len(look['goes'])} pods go, {len(look['stays'])} stay"
        pools.setdefault(assignments[server].pool or "", []).append(Step("drain", server, reason))
    for pool, steps in sorted(pools.items()):
        window = spec.pools[pool].max_unavailable if pool else 1
        yield Wave(f"drain {f'pool {pool}' if pool else 'control planes'}", tuple(steps), window)


def _notes(server: str, look: Mapping[str, Any] | None) -> Iterator[str]:
    if look is None:
        return
    if look["unreachable"]:
        yield (
            f"{server}: its kubelet cannot be reached: pods that have been ending for long are not waited "
            "for, and the node stays held whatever happens"
        )
    for word in ("goes", "stays"):
        for pod in look[word]:
            yield f"{server}: {pod['pod']} {word}: {pod['why']}"
