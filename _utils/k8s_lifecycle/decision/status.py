"""What a cluster is right now, as plain data for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.decision.condition import Condition, condition
from k8s_lifecycle.decision.provision import drift
from k8s_lifecycle.model.facts import Facts
from k8s_lifecycle.model.spec import Assignment, Spec


def status(spec: Spec, facts: Facts, assignments: Mapping[str, Assignment]) -> dict[str, Any]:
    """Return the cluster's servers, etcd members, lock and drift; `healthy` when all is as the spec asks."""
    view = facts.cluster
    servers = {server: _server(spec, facts, server, place) for server, place in assignments.items()}
    members = (
        {member.name: _member(member.learner, member.healthy) for member in (view.members or ())}
        if view
        else {}
    )
    differences = _drift(spec, facts)
    claims = [server.lock for server in facts.servers.values()] + [one.lease for one in facts.views]
    return {
        "version": view.version if view else None,
        "servers": servers,
        "etcd": members,
        "lock": next((claim.holder for claim in claims if claim and claim.live), None),
        "drift": differences,
        "healthy": bool(view)
        and not differences
        and all(server["ok"] for server in servers.values())
        and all(state == "voter" for state in members.values()),
    }


def _server(spec: Spec, facts: Facts, server: str, place: Assignment) -> dict[str, Any]:
    found = facts.cluster.nodes.get(spec.node_name(server)) if facts.cluster else None
    state = condition(spec, facts, server)
    expected = Condition.BARE if place.role == "spare" else Condition.MEMBER
    return {
        "role": place.role,
        "pool": place.pool,
        "server": state.value,
        "node": None if found is None else "Ready" if found.ready else "NotReady",
        "schedulable": None if found is None else not found.unschedulable,
        "hold": None if found is None or found.hold is None else found.hold.to_dict(),
        "version": found.version if found else None,
        "ok": state is expected and (place.role == "spare" or (found is not None and found.ready)),
    }


def _member(learner: bool, healthy: bool) -> str:
    return "learner" if learner else "voter" if healthy else "not healthy"


def _drift(spec: Spec, facts: Facts) -> list[str]:
    view = facts.cluster
    if view is None:
        return []
    found = drift(spec, facts)
    if view.version != spec.kubernetes.version:
        found.append(f"the cluster runs {view.version}, the spec asks for {spec.kubernetes.version}")
    return found
