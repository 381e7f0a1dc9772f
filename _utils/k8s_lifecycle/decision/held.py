"""Nodes that somebody holds are left alone by every other operation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from k8s_lifecycle.decision.plan import Plan, Wave, waves
from k8s_lifecycle.model.facts import Facts
from k8s_lifecycle.model.spec import Spec

# Steps for the cluster as a whole, which have the name of a control plane only because each step has one. And
# who is not told of a new control plane would carry the virtual address besides it; that disturbs no pod.
DESPITE_A_HOLD = frozenset({"network_addon", "restrict_bootstrap", "spread_dns", "revoke", "update_endpoint"})


def leave_held(plan: Plan, spec: Spec, facts: Facts) -> Plan:
    """Return a plan without the steps on servers whose nodes are held; these are blocked, and named.

    A hold that no run works under does not count on a node that somebody has opened.
    """
    nodes = facts.cluster.nodes if facts.cluster else {}
    held = {
        step.server: f"held by {node.hold} — give it back (k8s.release, k8s.uncordon), then run again"
        for step in plan.steps
        if (node := nodes.get(spec.node_name(step.server)))
        and node.hold
        and (node.unschedulable or node.hold.run)
        and step.verb not in DESPITE_A_HOLD
    }
    if not held:
        return plan
    left = waves(*(_without(wave, held) for wave in plan.waves))
    return replace(plan, waves=left, blocked={**plan.blocked, **held})


def _without(wave: Wave, servers: Collection[str]) -> Wave:
    steps = (step for step in wave.steps if step.server not in servers or step.verb in DESPITE_A_HOLD)
    return replace(wave, steps=tuple(steps))
