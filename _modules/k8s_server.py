"""One server: what is observed of it, what it should be, and what would keep it from becoming a node."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from k8s_lifecycle import code, fencing
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.server import desired as wanted
from k8s_lifecycle.server import drift as drifts
from k8s_lifecycle.server import (
    kubernetes_files,
    lock_file,
    network,
    observation,
    packages,
    processes,
    services,
)
from k8s_lifecycle.server import preflight as checks

__virtualname__ = "k8s_server"
__salt__: Any
__grains__: dict[str, Any]
__opts__: dict[str, Any]
__pillar__: dict[str, Any]

_GRAINS = ("datacenter", "environment", "k8s_pool", "k8s_role")


def facts(endpoint_address: str | None = None) -> dict[str, Any]:
    """Return what this server is now, and on a control plane server what its cluster is. Changes nothing.

    endpoint_address
        The virtual address of the API, which moves and is no server's own. Default: that in the pillar.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_server.facts
    """
    spec = _pillar_spec()
    files = kubernetes_files.look()
    active = services.active("kubelet", "containerd")
    moment = lock_file.Moment.now()
    lock = lock_file.held(now=moment)
    return {
        "code": code.LOADED,
        "id": __opts__["id"],
        "grains": {name: __grains__[name] for name in _narrowing(spec) if name in __grains__},
        "machine_id": observation.machine_id(),
        "boot_id": moment.boot,
        "clock": time.time(),
        "addresses": _addresses(spec, endpoint_address),
        "interface": network.default_interface(),
        "packages": packages.versions(),
        "kubelet": {"active": "kubelet" in active},
        "containerd": {"active": "containerd" in active},
        "kubeadm": processes.kubeadm(),
        "files": files,
        "fence": fencing.current(),
        "lock": lock.to_dict(moment) if lock else None,
        "api": __salt__["k8s_api.cluster_view"]() if files["admin_conf"] else None,
    }


def bare() -> bool:
    """Return whether this server is no node, nor part of one: kubeadm left nothing here and does not run.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_server.bare
    """
    return kubernetes_files.bare(kubernetes_files.look()) and processes.kubeadm() is None


def default_interface() -> str | None:
    """Return the interface that holds the default route.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_server.default_interface
    """
    return network.default_interface()


def preflight(spec: Mapping[str, Any], role: str, pool: str | None, others: Mapping[str, Any]) -> list[str]:
    """Return everything that would keep this bare server from becoming a node, each with what to do about it.

    spec, role, pool
        The spec of the cluster, and what the server is to be in it.
    others
        ``machine_ids``: those of the other servers, by minion id. ``clock``: the master's, in seconds since
        the epoch, when it asked.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_server.preflight '{...}' worker general '{machine_ids: {}, clock: 1800000000}'
    """
    cluster = specs.from_dict(spec)
    question = checks.Question(cluster, role, pool, others["machine_ids"], others["clock"])
    return checks.problems(question, observation.observe(cluster, role))


def desired(assignment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the SLS lay out on this server: whole files and plain lists.

    assignment
        The pillar ``k8s``: cluster, role, pool, spec; and from the runner, which has seen the cluster, the
        addresses of its control plane. Without those, the Kubernetes version that is installed stays.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_server.desired '{role: worker, pool: general, spec: {...}}'
    """
    cluster = specs.from_dict(assignment["spec"])
    installed = packages.installed(packages.pinned(cluster))
    if "addresses" not in assignment:
        cluster = packages.at_installed_version(cluster, installed)
    return wanted.desired(
        cluster,
        assignment["role"],
        assignment["pool"],
        installed=installed,
        sets_clock=not observation.in_container(),
    )


def drift(assignment: Mapping[str, Any]) -> list[str]:
    """Return where this node differs from its spec. It is told, and nothing is changed.

    assignment
        The pillar ``k8s``: cluster, role, pool, spec.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_server.drift '{role: worker, pool: general, spec: {...}}'
    """
    cluster = specs.from_dict(assignment["spec"])
    return drifts.drift(cluster, assignment["role"], assignment["pool"], drifts.look(cluster))


def _pillar_spec() -> Mapping[str, Any]:
    spec: Mapping[str, Any] = __pillar__.get("k8s", {}).get("spec", {})
    return spec


def _addresses(spec: Mapping[str, Any], endpoint_address: str | None) -> list[str]:
    virtual = endpoint_address or (spec["control_plane"]["endpoint"]["address"] if spec else None)
    inner = [spec["networks"]["pods"], spec["networks"]["services"]] if spec else []
    return network.own_addresses(network.links(), virtual, inner)


def _narrowing(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the grains that targets and pools look at."""
    yield from _GRAINS
    for pool in spec.get("pools", {}).values():
        yield from pool["grains"]
