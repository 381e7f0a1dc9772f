"""Decide what holding, releasing and uncordoning nodes by hand comes to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

from k8s_lifecycle.decision.drain import no_api, no_node
from k8s_lifecycle.decision.plan import Plan, Step, Wave, waves
from k8s_lifecycle.model.facts import Facts, Node
from k8s_lifecycle.model.hold import DRAIN, HeldError, Hold, may_release, taken
from k8s_lifecycle.model.spec import Spec

SLACK = timedelta(minutes=1)

# What is to be done with a node: a step, the reason why nothing may be, or nothing.
Decide = Callable[[str, Node], Step | str | None]


def hold(spec: Spec, facts: Facts, servers: Collection[str], wanted: Hold, now: datetime) -> Plan:
    """Plan to keep nodes out of service for a person."""

    def decide(server: str, node: Node) -> Step | str | None:
        try:
            new = taken(node.hold, replace(wanted, was_cordoned=node.unschedulable), now)
        except HeldError as held:
            return f"{held} — wait for it, or `salt-run k8s.release {server}`, then run again"
        return None if _lasts(node, new) else Step("hold", server, f"cordon it: {wanted.reason}")

    return _plan(spec, facts, servers, "hold", decide)


def release(
    spec: Spec,
    facts: Facts,
    servers: Collection[str],
    dead: Collection[str],
    now: datetime,
    *,
    force: bool,
) -> Plan:
    """Plan to give holds back, each node as it was before."""

    def decide(server: str, node: Node) -> Step | str | None:
        if node.hold is None:
            return None
        if not force and not may_release(node.hold, now, dead):
            return f"held by {node.hold} — stop that run, or say force=True if it is gone"
        after = "it stays cordoned, as it was before" if node.hold.was_cordoned else "it opens for pods"
        return Step("release", server, f"held by {node.hold}; {after}")

    return _plan(spec, facts, servers, "release", decide)


def uncordon(
    spec: Spec, facts: Facts, servers: Collection[str], dead: Collection[str], now: datetime
) -> Plan:
    """Plan to open nodes for pods: those that a drain has kept, or that nobody holds."""

    def decide(server: str, node: Node) -> Step | str | None:
        if node.hold is None:
            return Step("uncordon", server, "it is cordoned, held by nobody") if node.unschedulable else None
        if node.hold.operation != DRAIN or not may_release(node.hold, now, dead):
            return f"held by {node.hold} — wait for it, or `salt-run k8s.release {server}`"
        return Step("uncordon", server, f"held by {node.hold}")

    return _plan(spec, facts, servers, "uncordon", decide)


def _plan(spec: Spec, facts: Facts, servers: Collection[str], operation: str, decide: Decide) -> Plan:
    """Plan one step at most for each node; a text is the reason why the whole is refused."""
    view = facts.cluster
    if view is None:
        return Plan(spec.name, operation, refusals=(no_api(spec),))
    steps, refusals = [], []
    for server in servers:
        node = view.nodes.get(spec.node_name(server))
        found = decide(server, node) if node else no_node(spec, server)
        if isinstance(found, Step):
            steps.append(found)
        elif found:
            refusals.append(f"{server}: {found}")
    if refusals:
        return Plan(spec.name, operation, refusals=tuple(refusals))
    return Plan(spec.name, operation, waves=waves(Wave(operation, tuple(steps), window=max(1, len(steps)))))


def _lasts(node: Node, new: Hold) -> bool:
    """Whether a node is held already as it is wanted, for as long."""
    if node.hold is None or not node.unschedulable or node.hold.reason != new.reason:
        return False
    return datetime.fromisoformat(node.hold.until) >= datetime.fromisoformat(new.until) - SLACK
