"""What the place of a server in its cluster means: whether its grains fit it, its labels, its taints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.model.kubeadm_config import CONTROL_PLANE_TAINT
from k8s_lifecycle.model.spec import Assignment, Spec

NO_SCHEDULE = "NoSchedule"


def objection(spec: Spec, place: Assignment, grains: Mapping[str, Any]) -> str:
    """Return why a server's grains keep it out of the pool that allows its id; empty if they do not."""
    wanted = spec.pools[place.pool].grains if place.pool else {}
    differing = ", ".join(
        f"{name} is {grains.get(name, 'not set')} and not {value}"
        for name, value in wanted.items()
        if str(grains.get(name)) != value
    )
    if not differing:
        return ""
    return f"pool {place.pool} of {spec.name} allows its id, but not its grains: {differing} — set them there"


def labels(spec: Spec, place: Assignment) -> dict[str, str]:
    """Return the labels that a node gets for its place."""
    return dict(spec.pools[place.pool].labels) if place.pool else {}


def taints(spec: Spec, place: Assignment) -> list[dict[str, str]]:
    """Return the taints that a node gets for its place, each with key, value and effect."""
    if place.role == "control-plane":
        closed = not spec.control_plane.schedulable
        return [{"key": CONTROL_PLANE_TAINT, "value": "", "effect": NO_SCHEDULE}] if closed else []
    pool = spec.pools[place.pool] if place.pool else None
    return [
        {"key": taint.key, "value": taint.value, "effect": taint.effect}
        for taint in (pool.taints if pool else ())
    ]
