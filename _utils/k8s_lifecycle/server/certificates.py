"""The certificates of this server: those in files and kubeconfigs, and those that its ports show."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from k8s_lifecycle.server import addresses, remains, static_pods

HANDSHAKE_TIMEOUT = 5.0
KUBELET_SERVING = "kubelet-server-current.pem"

LEAVES = dict(remains.CERTIFICATES.values())
AUTHORITIES = tuple(dict.fromkeys(LEAVES.values()))
KUBECONFIGS = remains.KUBECONFIGS
# Which port of a server shows the certificate of which file, and on which of its addresses it listens.
PORTS: Mapping[int, str] = {
    6443: "apiserver",
    2379: "etcd/server",
    2380: "etcd/peer",
    10250: KUBELET_SERVING,
    10257: "",
    10259: "",
}
Entry = dict[str, Any]


def look(root: Path = remains.ROOT, kubelet: Path = remains.KUBELET) -> dict[str, Any]:
    """Return what there is, as plain data."""
    return {
        "files": files(root, kubelet),
        "served": served(),
        "started": static_pods.started(),
        "healthy": [name for name in static_pods.HEALTH if static_pods.healthy(name)],
        "kubelet": {
            "configured": (root / "kubelet.conf").exists(),
            "whole": remains.kubeconfig(root, root / "kubelet.conf"),
            "bootstrapping": (root / "bootstrap-kubelet.conf").exists(),
        },
        "external": remains.external_authorities(root),
    }


def files(root: Path = remains.ROOT, kubelet: Path = remains.KUBELET) -> list[Entry]:
    """Return the certificates in files and kubeconfigs."""
    return [*_authorities(root), *_leaves(root), *_kubeconfigs(root), *_of_the_kubelet(kubelet)]


def served() -> list[Entry]:
    """Return the certificates that the ports of this server show now, where somebody listens."""
    hosts = ["127.0.0.1", *addresses.own()]  # etcd's peer port is not on the loopback interface
    with ThreadPoolExecutor(len(PORTS)) as side_by_side:
        shown = side_by_side.map(lambda port: _shown(port, hosts), PORTS)
    return [entry for entry in shown if entry]


def fingerprint(certificate: x509.Certificate) -> str:
    """Return what tells a certificate from every other one."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def not_in_effect() -> list[str]:
    """Return the ports of a control plane that do not show the certificate in its file, or are closed."""
    files = {entry["name"]: entry.get("fingerprint") for entry in _leaves(remains.ROOT)}
    shown = {entry["port"]: entry["fingerprint"] for entry in served()}
    return [
        f"port {port}" for port, name in PORTS.items() if name in files and shown.get(port) != files[name]
    ]


def _authorities(root: Path) -> Iterator[Entry]:
    for name in AUTHORITIES:
        yield from _file(name, root / f"pki/{name}.crt", authority=True)


def _leaves(root: Path) -> Iterator[Entry]:
    for base, issuer in LEAVES.items():
        for entry in _file(base, root / f"pki/{base}.crt"):
            yield entry | {"whole": remains.signed(root, base, issuer)}


def _kubeconfigs(root: Path) -> Iterator[Entry]:
    for name in (*KUBECONFIGS, "kubelet"):
        path = root / f"{name}.conf"
        if not path.exists():
            continue
        try:
            user = yaml.safe_load(path.read_text())["users"][0]["user"]
            content = (
                base64.b64decode(user["client-certificate-data"])
                if "client-certificate-data" in user
                else b""
            )
        except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError) as error:
            yield _broken(f"{name}.conf", path, error)
            continue
        if content:
            yield _entry(f"{name}.conf", path, content) | {"whole": remains.kubeconfig(root, path)}


def _of_the_kubelet(directory: Path) -> Iterator[Entry]:
    for name in (remains.CLIENT_CERTIFICATE, KUBELET_SERVING):
        yield from _file(name, directory / name)


def _file(name: str, path: Path, *, authority: bool = False) -> Iterator[Entry]:
    try:
        yield _entry(name, path, path.read_bytes()) | ({"authority": True} if authority else {})
    except FileNotFoundError:
        return


def _entry(name: str, path: Path, content: bytes) -> Entry:
    try:
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError as error:
        return _broken(name, path, error)
    return {"name": name, "where": str(path), "written": path.stat().st_mtime, **_told(certificate)}


def _broken(name: str, path: Path, error: Exception) -> Entry:
    return {
        "name": name,
        "where": str(path),
        "whole": False,
        "error": f"it cannot be read: {type(error).__name__}",
    }


def _shown(port: int, hosts: Sequence[str]) -> Entry | None:
    """Return the certificate that a port shows; the handshake need not succeed beyond that."""
    context = static_pods.any_certificate()
    for host in hosts:
        try:
            with (
                closing(socket.create_connection((host, port), HANDSHAKE_TIMEOUT)) as plain,
                context.wrap_socket(plain) as connection,
            ):
                content = connection.getpeercert(binary_form=True) or b""
        except OSError:
            continue
        certificate = x509.load_der_x509_certificate(content)
        return {"name": PORTS[port], "where": f"port {port}", "port": port, **_told(certificate)}
    return None


def _told(certificate: x509.Certificate) -> Entry:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "sans": sans(certificate),
        "begins": certificate.not_valid_before_utc.timestamp(),
        "expires": certificate.not_valid_after_utc.timestamp(),
        "fingerprint": fingerprint(certificate),
    }


def sans(certificate: x509.Certificate) -> list[str]:
    """Return the names and addresses that a certificate is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return sorted(str(name.value) for name in found)
