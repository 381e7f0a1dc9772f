"""What a bare server is converged to, laid out for the SLS: whole files and plain lists."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from k8s_lifecycle.model import endpoint, kubeadm_config
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import containerd, kernel, kubelet, packages
from k8s_lifecycle.server.packages import Installed


def desired(
    spec: Spec, role: str, pool: str | None, *, installed: Mapping[str, Installed], sets_clock: bool
) -> dict[str, Any]:
    """Return what the SLS of one server lay out.

    installed: which packages it has. sets_clock: whether its clock is its own; a container's is its host's.
    """
    return {
        "kernel": {"modules": list(spec.kernel_modules), "settings": kernel.settings(spec)},
        "swap_allowed": kubelet.wanted(spec, pool).get("failSwapOn") is False,
        "clock": {"time_servers": list(spec.time_servers)} if sets_clock else None,
        "repository": packages.repository(spec),
        "packages": _packages(spec, role, installed, sets_clock),
        "containerd": containerd.config(spec, pool),
        "registries": {name: containerd.hosts(urls) for name, urls in spec.images.mirrors.items()},
        "patches": {
            name: yaml.safe_dump(content) for name, content in kubeadm_config.patches(spec, pool).items()
        },
        "python_client": _python_client(spec),
        "endpoint": endpoint.layout(spec) if endpoint.is_managed(spec, role) else None,
    }


def _python_client(spec: Spec) -> dict[str, str | None]:
    index = urlsplit(spec.python.index or "")
    return {
        "version": spec.python.kubernetes_client,
        "index": spec.python.index,
        # pip refuses an index without TLS unless it is told to trust its host.
        "trusted_host": index.hostname if index.scheme == "http" else None,
    }


def _packages(spec: Spec, role: str, installed: Mapping[str, Installed], sets_clock: bool) -> dict[str, Any]:
    pins = packages.pinned(spec)
    return {
        "pinned": pins,
        "helpers": packages.helpers(spec, role, sets_clock),
        "preferences": packages.preferences(pins),
        # apt's lists are read again only when there is something to install.
        "refresh": any(
            name not in installed or installed[name].version != version for name, version in pins.items()
        ),
    }
