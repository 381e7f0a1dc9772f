"""Give a kubelet new credentials when its client certificate has expired, since it cannot renew that one.

https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/troubleshooting-kubeadm/#kubelet-client-cert
"""

from __future__ import annotations

from typing import Any

import yaml

from k8s_lifecycle.cluster import bootstrap_token
from k8s_lifecycle.cluster.admission import Material
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import kubeadm_config
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import command, durable, initialise, kubeadm_unit, remains, renewal

ASIDE = renewal.DIRECTORY / "kubelet"
CONFIG = renewal.DIRECTORY / "kubelet.yaml"
_TIMEOUT = 120


def make(spec: Spec, server: str, address: str) -> None:
    """Make them on a server that has the CA, as `kubeadm init` does."""
    kubeadm_unit.refuse_if_running()
    documents = kubeadm_config.init_documents(
        spec, server=server, address=address, token=bootstrap_token.new()
    )
    durable.write(CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
    _move_aside()
    command.output(
        "kubeadm", "init", "phase", "kubeconfig", "kubelet", "--config", str(CONFIG), timeout=_TIMEOUT
    )
    durable.flush(remains.ROOT)
    _restart()


def ask(material: Material) -> None:
    """Let the kubelet ask for them with a bootstrap token."""
    join = next(document for document in material.documents if document["kind"] == "JoinConfiguration")
    (discovery,) = (yaml.safe_load(content) for content in material.files.values())
    _move_aside()
    durable.write(initialise.BOOTSTRAP_KUBECONFIG, yaml.safe_dump(_bootstrap(discovery, join)))
    _restart()


def _bootstrap(discovery: dict[str, Any], join: dict[str, Any]) -> dict[str, Any]:
    """Return the kubeconfig with which a kubelet asks for its certificate."""
    cluster = discovery["clusters"][0]["cluster"]
    user = {"token": join["discovery"]["tlsBootstrapToken"]}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "kubelet", "user": user}],
        "contexts": [{"name": "kubelet", "context": {"cluster": "cluster", "user": "kubelet"}}],
        "current-context": "kubelet",
    }


def _move_aside() -> None:
    """Take the kubelet's credentials away, so that it does not go on with them; the last ones are kept."""
    for path in (remains.ROOT / "kubelet.conf", remains.KUBELET / remains.CLIENT_CERTIFICATE):
        if path.exists():
            durable.write(ASIDE / path.name, path.read_bytes())
            path.unlink()


def _restart() -> None:
    try:
        command.output("systemctl", "restart", "kubelet", timeout=_TIMEOUT)
    except RuntimeError as error:
        raise HostError(f"the kubelet does not start with its new credentials: {error}") from error
