"""Certificates that have expired or do so soon, without a wait: signed anew by the cluster's own CAs."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from lab_session import Lab

PKI = "/etc/kubernetes/pki"
CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
LEAVES = {
    "apiserver": "ca",
    "apiserver-kubelet-client": "ca",
    "front-proxy-client": "front-proxy-ca",
    "apiserver-etcd-client": "etcd/ca",
    "etcd/server": "etcd/ca",
    "etcd/peer": "etcd/ca",
    "etcd/healthcheck-client": "etcd/ca",
}
KUBECONFIGS = ("admin", "super-admin", "controller-manager", "scheduler")
KILL = ("pkill", "-KILL", "kube-apiserver|kube-controller|kube-scheduler|etcd")

Signer = tuple[x509.Certificate, object]


def expire_all(lab: Lab, control_planes: list[str], workers: list[str]) -> None:
    """Let every leaf certificate of a cluster have expired, and what has one in memory start anew."""
    signers = {name: _signer(lab, control_planes[0], name) for name in set(LEAVES.values())}
    with ThreadPoolExecutor() as at_once:
        list(at_once.map(lambda server: _expire_control_plane(lab, server, signers), control_planes))
        list(
            at_once.map(lambda server: _expire_kubelet(lab, server, signers["ca"]), control_planes + workers)
        )
        list(at_once.map(lambda server: lab("exec", server, "--", *KILL, check=False), control_planes))
        started = ("systemctl", "start", "kubelet")
        list(at_once.map(lambda server: lab("exec", server, "--", *started), control_planes + workers))


def _expire_control_plane(lab: Lab, server: str, signers: dict[str, Signer]) -> None:
    for name, issuer in LEAVES.items():
        path = f"{PKI}/{name}.crt"
        _write(lab, server, path, _expired(_read(lab, server, path), signers[issuer]))
    for name in KUBECONFIGS:
        _expire_kubeconfig(lab, server, f"/etc/kubernetes/{name}.conf", signers["ca"])


def _expire_kubelet(lab: Lab, server: str, signer: Signer) -> None:
    pem = _read(lab, server, CLIENT)
    key = pem[re.search("-----BEGIN .*PRIVATE KEY", pem).start() :]  # type: ignore[union-attr]
    _write(lab, server, CLIENT, _expired(pem, signer) + key)
    lab("exec", server, "--", "systemctl", "stop", "kubelet")


def _signer(lab: Lab, server: str, name: str) -> Signer:
    certificate = x509.load_pem_x509_certificate(_read(lab, server, f"{PKI}/{name}.crt").encode())
    return certificate, load_pem_private_key(_read(lab, server, f"{PKI}/{name}.key").encode(), None)


@contextmanager
def expiring(lab: Lab, server: str, name: str, days: float) -> Iterator[None]:
    """Let a leaf certificate expire in so many days; afterwards the one of before is back."""
    path = f"{PKI}/{name}.crt"
    before = _read(lab, server, path)
    _write(lab, server, path, _expired(before, _signer(lab, server, LEAVES[name]), days))
    try:
        yield
    finally:
        _write(lab, server, path, before)


def _expired(pem: str, signer: Signer, days: float = -1) -> str:
    """Return a certificate as it was, but for its life. days: how many are left of it."""
    before, (authority, key) = x509.load_pem_x509_certificate(pem.encode()), signer
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(before.subject)
        .issuer_name(authority.subject)
        .public_key(before.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
    )
    for extension in before.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()  # type: ignore[arg-type]


def _expire_kubeconfig(lab: Lab, server: str, path: str, signer: Signer) -> None:
    text = _read(lab, server, path)
    if not text:
        return
    content = yaml.safe_load(text)
    user = content["users"][0]["user"]
    expired = _expired(base64.b64decode(user["client-certificate-data"]).decode(), signer)
    user["client-certificate-data"] = base64.b64encode(expired.encode()).decode()
    _write(lab, server, path, yaml.safe_dump(content))


def _read(lab: Lab, server: str, path: str) -> str:
    return lab("exec", server, "--", "cat", path, check=False).stdout


def _write(lab: Lab, server: str, path: str, content: str) -> None:
    lab("exec", server, "--", "sh", "-c", 'cat >"$0"', path, given=content)
