"""What kubeadm has left on a server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8s_lifecycle.server import authority

ROOT = Path("/")
_OF_A_NODE = (
    "ca",
    "kubelet_conf",
    "kubelet_config",
    "bootstrap_kubelet_conf",
    "admin_conf",
    "manifests",
    "etcd_data",
)


def look(root: Path = ROOT) -> dict[str, Any]:
    """Return which of kubeadm's files are there, and whose authority."""
    kubernetes = root / "etc/kubernetes"
    return {
        "ca": authority.local(kubernetes / "pki/ca.crt"),
        "ca_key": (kubernetes / "pki/ca.key").exists(),
        "kubelet_conf": (kubernetes / "kubelet.conf").exists(),
        "kubelet_conf_final": is_final(kubernetes / "kubelet.conf"),
        "kubelet_config": (root / "var/lib/kubelet/config.yaml").exists(),
        "bootstrap_kubelet_conf": (kubernetes / "bootstrap-kubelet.conf").exists(),
        "admin_conf": (kubernetes / "admin.conf").exists(),
        "manifests": sorted(path.stem for path in (kubernetes / "manifests").glob("*.yaml")),
        "etcd_data": (root / "var/lib/etcd/member").is_dir(),
    }


def is_final(kubelet_conf: Path) -> bool:
    """Whether kubelet.conf leads to the certificate that the kubelet renews, not to the one it began with.

    A join begins so. An init comes to it in the phase kubelet-finalize, once its configuration is in the API:
    https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init-phase/#cmd-phase-kubelet-finalize
    """
    try:
        return "client-certificate:" in kubelet_conf.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return False


def bare(files: Mapping[str, Any]) -> bool:
    """Whether nothing is there that makes a server a node, or part of one."""
    return not any(files[name] for name in _OF_A_NODE)
