"""Check that a cluster serves, not only that its parts are there."""

from __future__ import annotations

from typing import Any

from k8s_lifecycle.action.observe import read_facts
from k8s_lifecycle.action.run import Failure, Run, through_control_plane
from k8s_lifecycle.action.scheduler import Task
from k8s_lifecycle.action.steps import smoke_check
from k8s_lifecycle.decision.status import status

Check = dict[str, Any]


def verify_cluster(run: Run) -> Task:
    """Return one check for each server, for etcd, and for a pod on each node."""
    facts = yield from read_facts(run)
    found = status(run.spec, facts, run.assignments)
    checks = [
        _check(f"server {name}", server["ok"], server["server"]) for name, server in found["servers"].items()
    ]
    checks += [
        _check(f"etcd member {name}", state == "voter", state) for name, state in found["etcd"].items()
    ]
    if facts.cluster is None:
        return [*checks, _check("API server", False, "no control plane server's API answers")]
    nodes = sorted(facts.cluster.nodes)
    unverified = yield from through_control_plane(run, "k8s_csr.unverified", {"nodes": nodes})
    checks += [
        _check(
            f"kubelet of {node}", node not in unverified, unverified.get(node, "its certificate is verified")
        )
        for node in nodes
    ]
    run.fence = facts.fence
    try:
        checked = yield from smoke_check(run, nodes)
    except Failure as failure:
        return [*checks, _check("smoke check", False, failure.said)]
    return checks + [
        _check(f"smoke check of {node}", checked[node]["ok"], checked[node]["detail"]) for node in nodes
    ]


def _check(what: str, ok: bool, detail: str) -> Check:
    return {"what": what, "ok": bool(ok), "detail": detail}
