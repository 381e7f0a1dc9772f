"""What the inventory asks of a server: each part for itself, so that one that fails hides no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.description import described
from k8s_lifecycle.server import (
    certificates,
    consul_agent,
    disks,
    drift,
    highstate,
    kubernetes_files,
    observation,
    packages,
    services,
)
from k8s_lifecycle.wording import redacted

# Upstream's name of the service, and Debian's.
EXPORTERS = ("node_exporter", "prometheus-node-exporter")
SERVICES = ("kubelet", "containerd")
_SHOWN = ("name", "where", "begins", "expires", "authority", "whole", "error")


def look(
    grains: Mapping[str, Any],
    opts: Mapping[str, Any],
    spec: Mapping[str, Any],
    *,
    addresses: Callable[[], list[str]],
    overview: Callable[[], dict[str, Any]],
    running: Callable[[], bool],
) -> dict[str, Any]:
    """Return what there is, as plain data; of a part that cannot be read None, and the reason in `errors`.

    spec: that of its cluster, empty without one. addresses: the server's own. overview: of its cluster, for a
    control plane server. running: whether a state run goes on.
    """
    errors: list[str] = []

    def part(what: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except Exception as error:  # every part of any server is an answer
            errors.append(f"{what}: {redacted(str(error) or type(error).__name__)}")
            return None

    told = described(grains)
    versions = part("packages", packages.versions) or {}
    return {
        "machine_id": part("machine id", observation.machine_id),
        "addresses": part("addresses", addresses),
        "os": told["os"],
        "kernel": told["kernel"],
        "hardware": {**told["hardware"], "disks": part("disks", disks.look)},
        "versions": {
            "kubelet": versions.get("kubelet"),
            "containerd": versions.get("containerd"),
            "salt": told["salt"],
        },
        "services": part("services", _services),
        "certificates": part("certificates", _certificates),
        "consul": part("consul", lambda: consul_agent.health(opts["id"])),
        "highstate": part("highstate", lambda: _highstate(opts, running)),
        "differences": part("differences", lambda: _differences(spec, opts["id"]) if spec else None),
        "api": part("API", lambda: overview() if kubernetes_files.look()["admin_conf"] else None),
        "errors": errors,
    }


def _services() -> dict[str, str]:
    """Return the states of services; that of the monitoring agent under whichever name it has here."""
    found = services.states(*SERVICES, *EXPORTERS)
    installed = (found[name] for name in EXPORTERS if found[name] != services.NOT_INSTALLED)
    agent = next(installed, services.NOT_INSTALLED)
    return {**{name: found[name] for name in SERVICES}, "node_exporter": agent}


def _differences(spec: Mapping[str, Any], server: str) -> dict[str, list[str]] | None:
    """Return where a node differs from its spec; None where the server is none, or has no place in it."""
    cluster = specs.from_dict(spec)
    role, pool = cluster.role_of(server), cluster.pool_of(server)
    if role is None or kubernetes_files.bare(kubernetes_files.look()):
        return None
    return {
        "spec": drift.drift(cluster, role, pool, drift.look(cluster)),
        "system": drift.system(cluster, pool),
    }


def _highstate(opts: Mapping[str, Any], running: Callable[[], bool]) -> dict[str, Any] | None:
    noted = highstate.last(highstate.file(opts))
    return {**noted, "running": running()} if noted else None


def _certificates() -> list[dict[str, Any]]:
    return [{key: one[key] for key in _SHOWN if key in one} for one in certificates.files()]
