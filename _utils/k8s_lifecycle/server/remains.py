"""What kubeadm has left on this server, piece by piece: whole, absent, or torn.

kubeadm writes a key, then its certificate, and no file atomically. Killed in between it leaves half a pair, a
power cut leaves empty files. It takes a torn piece for a site's own or stops at it: torn pieces are removed
before it goes on, whole ones it keeps. A piece has the name of the phase of `kubeadm init` that makes it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from k8s_lifecycle.errors import HostError

ROOT = Path("/etc/kubernetes")
KUBELET = Path("/var/lib/kubelet/pki")
CLIENT_CERTIFICATE = "kubelet-client-current.pem"

_AUTHORITIES = {"ca": "ca", "front-proxy-ca": "front-proxy-ca", "etcd-ca": "etcd/ca"}
CERTIFICATES = {
    "apiserver": ("apiserver", "ca"),
    "apiserver-kubelet-client": ("apiserver-kubelet-client", "ca"),
    "front-proxy-client": ("front-proxy-client", "front-proxy-ca"),
    "etcd-server": ("etcd/server", "etcd/ca"),
    "etcd-peer": ("etcd/peer", "etcd/ca"),
    "etcd-healthcheck-client": ("etcd/healthcheck-client", "etcd/ca"),
    "apiserver-etcd-client": ("apiserver-etcd-client", "etcd/ca"),
}
KUBECONFIGS = ("admin", "super-admin", "controller-manager", "scheduler")
_MANIFESTS = {
    "etcd/local": "etcd",
    "control-plane/apiserver": "kube-apiserver",
    "control-plane/controller-manager": "kube-controller-manager",
    "control-plane/scheduler": "kube-scheduler",
}

CA_PIECES = (*(f"certs/{name}" for name in _AUTHORITIES), "certs/sa")
MANIFEST_PIECES = tuple(_MANIFESTS)


class State(Enum):
    """How much of a piece is there."""

    WHOLE = "whole"
    ABSENT = "absent"
    TORN = "torn"


class KeylessError(HostError):
    """A certificate authority without its key: a site's external one, or a key that was lost."""


@dataclass(frozen=True)
class _Piece:
    """One piece: its files, and what tells whether they are whole."""

    name: str
    paths: tuple[Path, ...]
    whole: Callable[[], bool]

    def state(self) -> State:
        if not any(path.exists() for path in self.paths):
            return State.ABSENT
        try:
            return State.WHOLE if self.whole() else State.TORN
        except (OSError, ValueError, KeyError, IndexError, TypeError, InvalidSignature, yaml.YAMLError):
            return State.TORN


def examine(root: Path = ROOT, kubelet: Path = KUBELET) -> dict[str, State]:
    """Return the state of every piece. Raises: `KeylessError`."""
    for base in _AUTHORITIES.values():
        certificate, key = _pair(root, base)
        if certificate.exists() and not key.exists():
            raise KeylessError(
                f"{certificate} has no key beside it: a certificate authority outside the cluster is not "
                "supported; bring its key, or remove the certificate if nothing was ever signed with it"
            )
    return {piece.name: piece.state() for piece in _pieces(root, kubelet)}


def remove_torn(root: Path = ROOT, kubelet: Path = KUBELET) -> list[str]:
    """Remove every torn piece, those that depend on it included, and return their names."""
    torn = [name for name, state in examine(root, kubelet).items() if state is State.TORN]
    _remove(torn, root, kubelet)
    return torn


def remove_derived(root: Path = ROOT, kubelet: Path = KUBELET) -> None:
    """Remove what the CA and the spec make again: leaf certificates and kubeconfigs.

    kubeadm keeps a certificate without the names that the spec has by now, and stops at a kubeconfig with
    another endpoint. Manifests stay: it writes them again, and the kubelet restarts only what differs.
    """
    certificates = (f"certs/{name}" for name in CERTIFICATES)
    kubeconfigs = (f"kubeconfig/{name}" for name in (*KUBECONFIGS, "kubelet"))
    _remove({*certificates, *kubeconfigs}, root, kubelet)


def signed(root: Path, base: str, issuer: str) -> bool:
    """Whether a certificate and its key match, and this issuer has signed it, whose key may be elsewhere."""

    def whole() -> bool:
        certificate, key = (path.read_bytes() for path in _pair(root, base))
        return _issued(root, certificate, key, issuer=issuer)

    return _Piece(base, _pair(root, base), whole).state() is State.WHOLE


def kubeconfig(root: Path, path: Path) -> bool:
    """Whether a kubeconfig is whole, its certificate and key match, and the cluster's CA has signed it."""
    return _Piece(path.name, (path,), partial(_kubeconfig, root, path)).state() is State.WHOLE


def external_authorities(root: Path = ROOT) -> list[str]:
    """Return the authorities of a control plane's certificates whose keys are not on this server."""
    issuers = {issuer for base, issuer in CERTIFICATES.values() if _pair(root, base)[0].exists()}
    return sorted(
        issuer
        for issuer in issuers
        if _pair(root, issuer)[0].exists() and not _pair(root, issuer)[1].exists()
    )


def _remove(names: Collection[str], root: Path, kubelet: Path) -> None:
    for piece in _pieces(root, kubelet):
        if piece.name in names:
            for path in piece.paths:
                path.unlink(missing_ok=True)


def _pieces(root: Path, kubelet: Path) -> Iterator[_Piece]:
    for name, base in _AUTHORITIES.items():
        yield _Piece(f"certs/{name}", _pair(root, base), partial(_authority, root, base))
    for name, (base, issuer) in CERTIFICATES.items():
        yield _Piece(f"certs/{name}", _pair(root, base), partial(_signed, root, base, issuer))
    yield _Piece("certs/sa", (root / "pki/sa.pub", root / "pki/sa.key"), partial(_service_account, root))
    for name in KUBECONFIGS:
        path = root / f"{name}.conf"
        yield _Piece(f"kubeconfig/{name}", (path,), partial(_kubeconfig, root, path))
    yield _Piece(
        "kubeconfig/kubelet",
        (root / "kubelet.conf", kubelet / CLIENT_CERTIFICATE),
        partial(_kubelet, root, kubelet / CLIENT_CERTIFICATE),
    )
    for name, pod in _MANIFESTS.items():
        path = root / f"manifests/{pod}.yaml"
        yield _Piece(name, (path,), partial(_manifest, path, pod))


def _pair(root: Path, base: str) -> tuple[Path, Path]:
    return root / "pki" / f"{base}.crt", root / "pki" / f"{base}.key"


def _authority(root: Path, base: str) -> bool:
    certificate, key = _pair(root, base)
    return match(certificate.read_bytes(), key.read_bytes())


def _signed(root: Path, base: str, issuer: str) -> bool:
    certificate, key = (path.read_bytes() for path in _pair(root, base))
    return _authority(root, issuer) and _issued(root, certificate, key, issuer=issuer)


def _issued(root: Path, certificate: bytes, key: bytes, *, issuer: str = "ca") -> bool:
    authority = x509.load_pem_x509_certificate(_pair(root, issuer)[0].read_bytes())
    x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(authority)
    return match(certificate, key)


def match(certificate: bytes, key: bytes) -> bool:
    """Whether a certificate is of a key."""
    return bool(x509.load_pem_x509_certificate(certificate).public_key() == _public(key))


def _public(key: bytes) -> Any:
    # Whether an RSA key is sound takes a tenth of a second to prove, and kubeadm has just made it.
    return serialization.load_pem_private_key(
        key, password=None, unsafe_skip_rsa_key_validation=True
    ).public_key()


def _service_account(root: Path) -> bool:
    public = serialization.load_pem_public_key((root / "pki/sa.pub").read_bytes())
    return bool(public == _public((root / "pki/sa.key").read_bytes()))


def _kubeconfig(root: Path, path: Path) -> bool:
    content = yaml.safe_load(path.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"])
    if authority.strip() != (root / "pki/ca.crt").read_bytes().strip():
        return False
    if "client-certificate" in user:  # the kubelet's, once it renews its certificate by itself
        return _issued(
            root, *(Path(user[name]).read_bytes() for name in ("client-certificate", "client-key"))
        )
    pair = (base64.b64decode(user[f"client-{half}-data"]) for half in ("certificate", "key"))
    return _issued(root, *pair)


def _kubelet(root: Path, current: Path) -> bool:
    """Whether the kubelet can log in: it prefers the certificate it keeps itself, and stops at a torn one."""
    if current.exists() and not _issued(root, current.read_bytes(), current.read_bytes()):
        return False
    return _kubeconfig(root, root / "kubelet.conf")


def _manifest(path: Path, pod: str) -> bool:
    """Whether a static pod's manifest is whole: kubeadm's last line is the pod's empty status."""
    content = yaml.safe_load(path.read_text())
    return content["metadata"]["name"] == pod and "status" in content
