"""Join a cluster with the material of an admission."""

from __future__ import annotations

from contextlib import suppress

from k8s_lifecycle.cluster.admission import Material
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.server import command, durable, kubeadm_unit, kubernetes_files, remains, static_pods
from k8s_lifecycle.server.initialise import KUBELET


def join(material: Material, timeout: float) -> list[str]:
    """Run `kubeadm join`; return what was done. The token is in files only, while kubeadm runs."""
    kubeadm_unit.refuse_if_running()
    _refuse_leftovers()
    for name, content in material.pki.items():
        durable.write(
            remains.ROOT / "pki" / name, content, 0o644 if name.endswith((".crt", ".pub")) else 0o600
        )
    with static_pods.heard(waited=bool(material.pki)):
        kubeadm_unit.run(["join"], material.documents, timeout, material.files)
    durable.flush(remains.ROOT)
    durable.flush(KUBELET)
    if material.pki:
        _ask_again()
    return ["join"]


def _ask_again() -> None:
    """Restart the kubelet of a new control plane: it was started before the API server that it asks.

    What it wants to know and was refused it asks for again after up to half a minute, and starts no pod until
    then; static pods run on. Where this fails the node is Ready later, and has joined all the same.
    https://github.com/kubernetes/client-go/blob/v0.34.0/tools/cache/reflector.go (backoffManager)
    """
    with suppress(RuntimeError):
        command.output("systemctl", "restart", "kubelet", timeout=120)


def _refuse_leftovers() -> None:
    """Kubeadm's own preflight misses some leftovers of another cluster, and fails late on others."""
    found = kubernetes_files.look()
    left = [name for name, there in found.items() if there and name != "ca_key"]
    if left:
        raise HostError(
            f"an earlier kubeadm left something here ({', '.join(left)}): reset this server "
            "(k8s_kubeadm.reset), then let it join"
        )
