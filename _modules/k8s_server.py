"""One server: what is observed of it, what it should be, and what would keep it from becoming a node."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from k8s_lifecycle import code, fencing
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.server import (
    addresses,
    consul_agent,
    endpoint,
    kubernetes_files,
    lock_file,
    network,
    observation,
    packages,
    processes,
    services,
)
from k8s_lifecycle.server import desired as wanted
from k8s_lifecycle.server import drift as drifts
from k8s_lifecycle.server import inventory as inventories
from k8s_lifecycle.server import preflight as checks

__virtualname__ = "k8s_server"
__salt__: Any
__grains__: dict[str, Any]
__opts__: dict[str, Any]
__pillar__: dict[str, Any]

_GRAINS = ("datacenter", "environment", "k8s_pool", "k8s_role")


def facts(endpoint_address: str | None = None, viewer: str | None = None) -> dict[str, Any]:
    """Return what this server is now, and on a control plane server what its cluster is. Changes nothing.

    endpoint_address
        The virtual address of the API, which moves and is no server's own. Default: that in the pillar.
    viewer
        The minion id of the control plane server that tells all of the cluster; one is enough. Default: each.

    Returns a mapping:

    code
        Which version of this code the minion runs, 16 hexadecimal digits: compared with the master's.
    id
        The minion id.
    grains
        datacenter, environment, k8s_pool, k8s_role and those that the pillar's pools ask for, where set.
    machine_id
        What /etc/machine-id holds.
    clock
        The time, in seconds since the epoch.
    addresses
        Its own addresses, a list, those of the interface with the default route first: without the virtual
        one and those in the pod and service networks.
    packages
        The versions of kubeadm, kubectl, kubelet and containerd, each None where it is not installed.
    kubelet
        ``active``: whether its service runs.
    containerd
        ``active``: whether its service runs.
    kubeadm
        The one that changes this server now: verb, pid, since (seconds since the epoch), and ours (whether
        ``k8s_kubeadm`` started it); None where none does.
    files
        What kubeadm left: ca (as in ``k8s_api.cluster_view``); ca_key, kubelet_conf, kubelet_config,
        bootstrap_kubelet_conf, admin_conf and etcd_data, each whether it is there; kubelet_conf_final,
        whether kubelet.conf leads to the certificate that the kubelet renews, which an init sees to once its
        configuration is in the API; manifests, the names of the static pods.
    endpoint
        What its haproxy.cfg was made for: mark (cluster, address, interface, port and virtual router) and
        peers (addresses by minion id); None where this product made none.
    fence
        The highest fencing number that this server has seen; 0 before the first run.
    lock
        What ``k8s_lock.held`` returns.
    api
        What ``k8s_api.cluster_view`` returns, whole from the viewer; None on a server without admin.conf.

    Raises RuntimeError if ``ip``, ``systemctl`` or ``dpkg-query`` fails, ValueError if the file of the
    fencing number or of a lock is damaged, or ``endpoint_address`` is no address.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_server.facts
    """
    spec = _pillar_spec()
    files = kubernetes_files.look()
    whole = viewer in (None, __opts__["id"])
    active = services.active("kubelet", "containerd")
    moment = lock_file.Moment.now()
    lock = lock_file.held(now=moment)
    return {
        "code": code.LOADED,
        "id": __opts__["id"],
        "grains": {name: __grains__[name] for name in _narrowing(spec) if name in __grains__},
        "machine_id": observation.machine_id(),
        "clock": time.time(),
        "addresses": _addresses(spec, endpoint_address),
        "packages": packages.versions(),
        "kubelet": {"active": "kubelet" in active},
        "containerd": {"active": "containerd" in active},
        "kubeadm": processes.kubeadm(),
        "files": files,
        "endpoint": endpoint.look(),
        "fence": fencing.current(),
        "lock": lock.to_dict(moment) if lock else None,
        "api": __salt__["k8s_api.cluster_view"](whole=whole) if files["admin_conf"] else None,
    }


def inventory(spec: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what an inventory has of this server, cluster member or not. Changes nothing.

    Each part is read for itself; where one cannot be, it is None, and ``errors`` says why.

    spec
        The spec of its cluster, a mapping as in the pillar. Default: that in the pillar, which is as old as
        its last refresh.

    Returns a mapping:

    code, id, clock, machine_id, grains, addresses
        As in ``k8s_server.facts``.
    os, kernel
        Such as ``Debian 12.8`` and ``6.1.0-28-amd64``.
    hardware
        cores, memory (bytes), disks (a list, each with name and size in bytes), virtual (``physical``, or the
        hypervisor), manufacturer, model and serial.
    versions
        Those of the packages kubelet and containerd, and of salt; each None where it is not installed.
    services
        The states of kubelet, containerd and node_exporter, such as ``active`` or ``failed``; ``none`` where
        there is no such service.
    certificates
        A list, as the files in ``k8s_pki.report``, without what does not matter for their expiry.
    consul
        What ``k8s_server.consul`` returns.
    highstate
        The last one, as the states ``k8s_highstate.begun`` and ``k8s_highstate.ended`` note it: began, ended
        (seconds since the epoch), states, failures (counts), failed (the ids of the first that did),
        unfinished (when a later one began that has not ended); and running (whether a state run goes on now).
        None where none was noted.
    differences
        Where a node differs from its spec: ``spec``, what ``k8s_server.drift`` returns, and ``system``, a
        line for each setting of the kernel and for swap. None where the server is no node.
    api
        On a control plane server what ``k8s_api.overview`` returns; None elsewhere.
    errors
        A list with a line for each part that could not be read.

    CLI Example:

    .. code-block:: bash

        salt web-7 k8s_server.inventory
    """
    spec = spec or _pillar_spec()
    found = inventories.look(
        __grains__,
        __opts__,
        spec,
        addresses=lambda: _addresses(spec, None),
        overview=_overview,
        running=_state_runs,
    )
    grains = {name: __grains__[name] for name in _narrowing(spec) if name in __grains__}
    return {"code": code.LOADED, "id": __opts__["id"], "clock": time.time(), "grains": grains, **found}


def consul() -> dict[str, Any]:
    """Return what the Consul agent on this server says of it. Changes nothing.

    Returns a mapping:

    state
        ``none``: no agent is installed. ``stopped``. ``silent``: it runs, and does not answer on
        127.0.0.1:8500 within 2 s. ``leaderless``: its servers have no leader. Otherwise the worst of the
        checks that it keeps: ``passing``, ``warning`` or ``critical``.
    detail
        What explains it, such as the names of those checks; otherwise empty.
    services
        The ids of the services that the catalogue has of this server, a list. None where it could not be
        asked.

    Raises RuntimeError if ``systemctl`` fails.

    CLI Example:

    .. code-block:: bash

        salt web-7 k8s_server.consul
    """
    return consul_agent.health(__opts__["id"])


def bare() -> bool:
    """Return whether this server is no node, nor part of one. Changes nothing.

    Returns True if it has no CA, no credentials or configuration of a kubelet, no admin.conf, no static pods
    and no etcd data, and no kubeadm changes it now.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_server.bare
    """
    return kubernetes_files.bare(kubernetes_files.look()) and processes.kubeadm() is None


def default_interface() -> str | None:
    """Return the interface that holds the default route: IPv4's before IPv6's, then by metric.

    Returns its name; None where there is no default route.

    Raises RuntimeError if ``ip`` fails.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_server.default_interface
    """
    return network.default_interface()


def preflight(spec: Mapping[str, Any], role: str, pool: str | None, others: Mapping[str, Any]) -> list[str]:
    """Return everything that would keep this bare server from becoming a node. Changes nothing.

    It compares machine id, clock, Python, CPUs, memory, swap, ports, disk space, cgroups, other container
    runtimes and Kubernetes, the default route and the endpoint's name, and asks the registries, the apt
    repository and the package index for an answer within 5 s each. Checks of kubeadm's that the spec has in
    ``kubeadm.ignore_preflight_errors`` are left out here, too.

    CPUs and memory: https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/
    Ports: https://kubernetes.io/docs/reference/networking/ports-and-protocols/
    Full disks: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
    No cgroup v1 from 1.35 on: https://github.com/kubernetes/enhancements/issues/5573

    spec
        The cluster's spec, a mapping as in the pillar.
    role
        What the server is to be: ``control-plane``, ``worker`` or ``spare``.
    pool
        The pool of a worker; otherwise None.
    others
        ``machine_ids``: those of the other servers, by minion id. ``clock``: the master's, in seconds since
        the epoch, when it asked. The server's may be 2 s behind it, or 12 s ahead.

    Returns a list with a line for each problem, and what to do about it; empty if there is none.

    Raises InvalidSpecError if the spec is not valid, KeyError if it has no such pool or ``others`` is not
    whole, RuntimeError if ``ip``, ``ss``, ``dpkg`` or ``dpkg-query`` fails.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_server.preflight '{...}' worker general '{machine_ids: {}, clock: 1800000000}'
    """
    cluster = specs.from_dict(spec)
    question = checks.Question(cluster, role, pool, others["machine_ids"], others["clock"])
    return checks.problems(question, observation.observe(cluster, role))


def desired(assignment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the SLS lay out on this server: whole files and plain lists. Changes nothing.

    assignment
        The pillar ``k8s``: cluster, role, pool, spec; and from the runner, which has seen the cluster, the
        addresses of its control plane. Without those, the Kubernetes version that is installed stays.

    Returns a mapping:

    kernel
        ``modules``, a list, and ``settings``, values by name.
    swap_allowed
        Whether the spec's kubelet has ``failSwapOn: false``.
    clock
        ``time_servers``, a list, empty for the distribution's; None in a container, which has its host's.
    repository
        The apt source (``source``, deb822), where its key is (``key``) and goes (``keyring``); None where the
        server's own are used.
    packages
        ``pinned``, versions by name; ``helpers``, names; ``preferences``, a file for apt; ``refresh``,
        whether apt's lists are to be read again.
    containerd
        The text of its config.toml.
    registries
        The texts of the registries' hosts.toml, by registry.
    patches
        The texts of kubeadm's patches, by file name.
    python_client
        ``version`` of the package ``kubernetes``, ``index`` and ``trusted_host`` (None if not set).
    endpoint
        mark (a line by which its files are recognised), address, port, virtual_router_id and interface (None:
        that of the default route); None on a server that does not carry the endpoint.

    Raises InvalidSpecError if the spec is not valid, KeyError if ``assignment`` lacks role, pool or spec, or
    the spec has no such pool, RuntimeError if ``dpkg-query`` fails.

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

    Compared are: packages and their holds, the kubelet's fields that the spec sets, the versions of the
    static pods, containerd's configuration, and on a server that carries the endpoint its files.

    assignment
        The pillar ``k8s``: cluster, role, pool, spec.

    Returns a list with a line for each difference; empty if there is none.

    Raises InvalidSpecError if the spec is not valid, KeyError if ``assignment`` lacks role, pool or spec, or
    the spec has no such pool, RuntimeError if ``dpkg-query`` fails, YAMLError or TypeError if a file of
    kubeadm's is torn.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_server.drift '{role: worker, pool: general, spec: {...}}'
    """
    cluster = specs.from_dict(assignment["spec"])
    return drifts.drift(cluster, assignment["role"], assignment["pool"], drifts.look(cluster))


def _pillar_spec() -> Mapping[str, Any]:
    spec: Mapping[str, Any] = __pillar__.get("k8s", {}).get("spec", {})
    return spec


def _overview() -> dict[str, Any]:
    seen: dict[str, Any] = __salt__["k8s_api.overview"]()
    return seen


def _state_runs() -> bool:
    return any(job["fun"].startswith("state.") for job in __salt__["saltutil.running"]())


def _addresses(spec: Mapping[str, Any], endpoint_address: str | None) -> list[str]:
    virtual = endpoint_address or (spec["control_plane"]["endpoint"]["address"] if spec else None)
    inner = [spec["networks"]["pods"], spec["networks"]["services"]] if spec else []
    return addresses.own(virtual, inner)


def _narrowing(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the grains that targets and pools look at."""
    yield from _GRAINS
    for pool in spec.get("pools", {}).values():
        yield from pool["grains"]
