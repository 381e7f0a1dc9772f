"""Clusters of several shapes, as specs."""

from __future__ import annotations

from functools import cache
from typing import Any

from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.spec import Spec

NAME = "sim-prod"
VERSION = "1.37.2"


@cache
def shape(control_planes: int, workers: int, spares: int = 0, schedulable: bool = False) -> Spec:
    """Return the spec of a cluster with so many servers of each role."""
    said: dict[str, Any] = {
        "datacenter": "sim",
        "environment": "prod",
        "kubernetes": {"version": VERSION},
        "control_plane": {
            "servers": [f"cp-{number}" for number in range(1, control_planes + 1)],
            "schedulable": schedulable,
            "endpoint": {"host": "api.sim.example", "address": "10.9.0.100", "virtual_router_id": 51},
        },
        "pools": {"general": {"servers": ["w-*"], "labels": {"sim/pool": "general"}}} if workers else {},
        "spares": ["spare-*"] if spares else [],
        "network_addon": {
            "values": {"image": "registry.example/flannel:v1", "cni_plugin_image": "registry.example/cni:v1"}
        },
        "packages": {"containerd": {"version": "2.3.7-1"}},
    }
    spec, problems = specs.parse(NAME, said)
    assert spec is not None, problems
    return spec


def servers(spec: Spec, workers: int, spares: int = 0) -> list[str]:
    """Return the ids of a shape's servers."""
    return [
        *spec.control_plane.servers,
        *(f"w-{number}" for number in range(1, workers + 1)),
        *(f"spare-{number}" for number in range(1, spares + 1)),
    ]
