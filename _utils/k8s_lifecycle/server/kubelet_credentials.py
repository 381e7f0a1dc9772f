"""Give a kubelet new credentials when it cannot renew its own: they have expired, or are lost.

https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/troubleshooting-kubeadm/#kubelet-client-cert
"""

from __future__ import annotations

import base64
import shutil
import time
from datetime import UTC, datetime
from typing import Any

import yaml

from k8s_lifecycle.cluster import bootstrap_token
from k8s_lifecycle.cluster.admission import Material
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import kubeadm_config
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import command, durable, initialise, kubeadm_unit, remains, renewal

KUBECONFIG = remains.ROOT / "kubelet.conf"
CURRENT = remains.KUBELET / remains.CLIENT_CERTIFICATE
ASIDE = renewal.DIRECTORY / "kubelet"
_TIMEOUT = 120
_POLL = 0.5


def make(spec: Spec, server: str, address: str) -> None:
    """Make them on a server that has the CA, in the place where the kubelet keeps and renews its own."""
    renewal.refuse_external()
    kubeadm_unit.refuse_if_running()
    made = _made_by_kubeadm(spec, server, address)
    user = made["users"][0]["user"]
    halves = (base64.b64decode(user.pop(f"client-{half}-data")) for half in ("certificate", "key"))
    _set_current(b"".join(halves))
    user |= {"client-certificate": str(CURRENT), "client-key": str(CURRENT)}
    made["clusters"][0]["cluster"]["server"] = _local_api()
    durable.write(KUBECONFIG, yaml.safe_dump(made))
    _restart()


def ask(material: Material) -> None:
    """Let the kubelet ask for them with a bootstrap token, and wait until it has them.

    The kubeconfig with the token is there before the old credentials go: whoever finds it knows that this was
    cut off.
    """
    join = next(document for document in material.documents if document["kind"] == "JoinConfiguration")
    (discovery,) = (yaml.safe_load(content) for content in material.files.values())
    durable.write(initialise.BOOTSTRAP_KUBECONFIG, yaml.safe_dump(_bootstrap(discovery, join)))
    CURRENT.unlink(missing_ok=True)
    KUBECONFIG.unlink(missing_ok=True)
    _restart()
    deadline = time.monotonic() + _TIMEOUT
    while not remains.kubeconfig(remains.ROOT, KUBECONFIG):
        if time.monotonic() > deadline:
            raise HostError(
                f"the kubelet got no certificate within {_TIMEOUT} s: look at `journalctl -u kubelet` there "
                "and at `kubectl get csr`, then run again"
            )
        time.sleep(_POLL)
    initialise.BOOTSTRAP_KUBECONFIG.unlink()


def _made_by_kubeadm(spec: Spec, server: str, address: str) -> dict[str, Any]:
    """Return the kubelet's kubeconfig as `kubeadm init` makes it, with its certificate in it."""
    shutil.rmtree(ASIDE, ignore_errors=True)
    documents = kubeadm_config.init_documents(
        spec, server=server, address=address, token=bootstrap_token.new()
    )
    config = ASIDE / "config.yaml"
    durable.write(config, yaml.safe_dump_all(documents, sort_keys=False))
    try:
        words = ("kubeadm", "init", "phase", "kubeconfig", "kubelet", "--kubeconfig-dir", str(ASIDE))
        command.output(*words, "--config", str(config), timeout=_TIMEOUT)
        made: dict[str, Any] = yaml.safe_load((ASIDE / "kubelet.conf").read_text())
        return made
    finally:
        shutil.rmtree(ASIDE, ignore_errors=True)


def _set_current(pem: bytes) -> None:
    """Put a certificate with its key where the kubelet looks for it: behind a link, which it insists on."""
    path = remains.KUBELET / f"kubelet-client-{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}.pem"
    durable.write(path, pem)
    link = CURRENT.with_name(f".{CURRENT.name}.new")
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    link.replace(CURRENT)
    durable.flush(remains.KUBELET)


def _local_api() -> str:
    """Return the API server on this server: kubeadm points the controller manager there."""
    content = yaml.safe_load((remains.ROOT / "controller-manager.conf").read_text())
    return str(content["clusters"][0]["cluster"]["server"])


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


def _restart() -> None:
    try:
        command.output("systemctl", "reset-failed", "kubelet", accept=(0, 1))
        command.output("systemctl", "restart", "kubelet", timeout=_TIMEOUT)
    except RuntimeError as error:
        raise HostError(f"the kubelet does not start with its new credentials: {error}") from error
