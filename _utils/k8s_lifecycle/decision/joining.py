"""Decide whether a server that asks to join may: its minion id authorises it, its grains only narrow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k8s_lifecycle.decision.placement import objection
from k8s_lifecycle.model.spec import Assignment, Catalogue, Spec


@dataclass(frozen=True)
class Verdict:
    """Whether a server may join, why, and which cluster if it may."""

    accepted: bool
    reason: str
    cluster: str = ""


def verdict(catalogue: Catalogue, server: str, grains: Mapping[str, Any]) -> Verdict:
    """Judge one server that asks. grains: what it says of itself, at least `grain_names`."""
    place = catalogue.assignment(server)
    if grains.get("k8s_role") == "control-plane" and (place is None or place.role != "control-plane"):
        return Verdict(
            False,
            f"its grain k8s_role claims control-plane, and no spec names {server} in control_plane.servers: "
            "a grain makes no control plane — correct the grain, or name the server there and provision",
        )
    if place is None:
        return Verdict(False, _unnamed(catalogue, server))
    spec = catalogue.specs[place.cluster]
    if reason := objection(spec, place, grains):
        return Verdict(False, reason)
    if reason := operator_only(spec, place):
        return Verdict(False, reason)
    return Verdict(True, f"pool {place.pool} of {place.cluster} allows it", place.cluster)


def operator_only(spec: Spec, place: Assignment) -> str:
    """Return why a server of a cluster joins by an operator's word only; empty if it may ask for its join."""
    by_provision = f"joins by `salt-run k8s.provision {spec.name}`, not by itself"
    if place.role == "control-plane":
        return f"it is a control plane of {spec.name}: that {by_provision}"
    if place.pool is None:
        return f"it is a spare of {spec.name}: it is kept ready, and joins when it is put into a pool"
    if spec.pools[place.pool].join == "provision":
        return f"a server of pool {place.pool} {by_provision}"
    return ""


def grain_names(catalogue: Catalogue) -> list[str]:
    """Return the grains that decide: the role that a server claims, and what pools ask for."""
    pools = [pool for spec in catalogue.specs.values() for pool in spec.pools.values()]
    return sorted({"k8s_role", *(name for pool in pools for name in pool.grains)})


def _unnamed(catalogue: Catalogue, server: str) -> str:
    broken = sorted({cluster for problem in catalogue.problems for cluster in problem.clusters})
    also = f" (the specs of {', '.join(broken)} are broken: `salt-run k8s.validate`)" if broken else ""
    return f"no pool of any cluster allows the id {server}{also} — add it to a pool in {catalogue.directory}"
