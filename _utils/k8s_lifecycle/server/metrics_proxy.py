"""The proxy that shows Prometheus the metrics of etcd, controller manager and scheduler: its certificate.

It is made here, by the cluster's CA, for this purpose only: as a server it has a name that nothing else has,
as a user of the cluster it may read metrics. rotate_certs leaves it alone; highstate renews it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.cluster_metrics import PROXY_NAME, PROXY_USER
from k8s_lifecycle.server import durable, remains

DIRECTORY = Path("/etc/k8s-metrics-proxy")
CERTIFICATE = DIRECTORY / "proxy.pem"
LIFE, RENEWED_BEFORE = timedelta(days=90), timedelta(days=30)
_CLOCKS = timedelta(minutes=5)  # others may be behind


def wrong(root: Path = remains.ROOT, path: Path = CERTIFICATE) -> str:
    """Return why the proxy's certificate is to be made; empty where it need not."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "none"
    try:
        found = x509.load_pem_x509_certificate(content)
        is_whole = remains.match(content, content)
    except ValueError:
        is_whole = False
    if not is_whole:
        return "torn"
    try:
        found.verify_directly_issued_by(_authority(root))
    except (InvalidSignature, ValueError, TypeError):
        return "of another CA"
    return "expires soon" if found.not_valid_after_utc - datetime.now(UTC) < RENEWED_BEFORE else ""


def make(root: Path = remains.ROOT, path: Path = CERTIFICATE) -> None:
    """Make the proxy's key and certificate, in one file, as haproxy reads them."""
    try:
        signing = load_pem_private_key((root / "pki/ca.key").read_bytes(), None)
    except FileNotFoundError:
        raise HostError(
            f"the cluster's CA has no key on this server — sign a certificate for CN={PROXY_USER} and "
            f"DNS:{PROXY_NAME}, of a server and of a client, and put it with its key into {path}"
        ) from None
    authority, key, now = _authority(root), ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, PROXY_USER)]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS)
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(PROXY_NAME)]), critical=False)
    ).sign(signing, hashes.SHA256())  # type: ignore[arg-type]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    durable.write(path, made.public_bytes(Encoding.PEM) + pem)


def _authority(root: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((root / "pki/ca.crt").read_bytes())
