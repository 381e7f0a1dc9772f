"""What containerd is told: its config.toml, and where each registry's images come from."""

from collections.abc import Sequence
from typing import Any

from k8s_lifecycle.model.merge import merge
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import kubelet, toml

CONFIG = "/etc/containerd/config.toml"
REGISTRIES = "/etc/containerd/certs.d"


def config(spec: Spec, pool: str | None) -> str:
    """Return config.toml (version 3, which containerd 2.0 and later read)."""
    images: dict[str, Any] = {"registry": {"config_path": REGISTRIES}}
    if spec.images.pause:
        images["pinned_images"] = {"sandbox": spec.images.pause}
    runc = {
        "runtime_type": "io.containerd.runc.v2",
        "options": {"SystemdCgroup": _cgroup_driver(spec, pool) == "systemd"},
    }
    generated = {
        "version": 3,
        "plugins": {
            "io.containerd.cri.v1.images": images,
            "io.containerd.cri.v1.runtime": {"containerd": {"runtimes": {"runc": runc}}},
        },
    }
    return toml.dumps(merge(generated, spec.containerd))


def hosts(urls: Sequence[str]) -> str:
    """Return the hosts.toml of a registry: its mirrors in order, and nothing beyond them.

    The last one stands in the place of the registry itself. So a failed pull is reported with the mirror's
    own answer, not with that of a registry that the server cannot reach anyway.
    """
    *first, last = urls
    table: dict[str, Any] = {"server": last}
    if first:
        table["host"] = {url: {"capabilities": ["pull", "resolve"]} for url in first}
    return toml.dumps(table)


def _cgroup_driver(spec: Spec, pool: str | None) -> str:
    """The runtime and the kubelet must agree; kubeadm's default is systemd."""
    return str(kubelet.wanted(spec, pool).get("cgroupDriver", "systemd"))
