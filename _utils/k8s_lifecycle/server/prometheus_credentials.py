"""With what Prometheus asks clusters: a key, which never leaves this server, and a certificate for each.

Where a cluster has signed none yet, one stands in that nobody trusts, so that Prometheus starts, and takes up
the real one by itself. It never expires: a cluster that is not there yet is nothing to be told about. Files
get the group of their directory, by which Prometheus can read them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.cluster_metrics import CREDENTIALS, KEY, USER
from k8s_lifecycle.server import durable, remains

DIRECTORY = Path(CREDENTIALS)
# Highstate, which asks too, is to be told about after two days; the alert on expiry comes after sixteen.
RENEWED_BEFORE = timedelta(days=20)
# https://datatracker.ietf.org/doc/html/rfc5280#section-4.1.2.5
_NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_MODE = 0o640
_CERTIFICATE, _AUTHORITY = ".crt", ".ca"


def missing(clusters: Collection[str], directory: Path = DIRECTORY) -> dict[str, bool]:
    """Return which files differ, by name, and whether they are there: those of no cluster any more are."""
    wanted = {Path(KEY).name, *(f"{name}{end}" for name in clusters for end in (_CERTIFICATE, _AUTHORITY))}
    there = {path.name for path in directory.glob("[!.]*")}
    return {name: name in there for name in sorted(wanted ^ there)}


def prepare(clusters: Collection[str], directory: Path = DIRECTORY) -> None:
    """Make the key where there is none, stand-ins for what is missing, and remove what is of no cluster."""
    different = missing(clusters, directory)
    if Path(KEY).name in different:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        durable.write(directory / Path(KEY).name, pem, _MODE)
    for name, is_there in different.items():
        if is_there:
            (directory / name).unlink()
        elif name != Path(KEY).name:
            durable.write(directory / name, _stand_in(directory), _MODE)


def due(directory: Path = DIRECTORY) -> list[str]:
    """Return the clusters whose certificate is to be asked for: none yet, expiring, or not of the key."""
    return sorted(path.stem for path in directory.glob(f"*{_CERTIFICATE}") if _is_due(path, directory))


def request(directory: Path = DIRECTORY) -> str:
    """Return the certificate signing request."""
    made = x509.CertificateSigningRequestBuilder().subject_name(_subject())
    return made.sign(_key(directory), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def accept(cluster: str, certificate: str, authority: str, directory: Path = DIRECTORY) -> None:
    """Keep the certificate that a cluster has signed, and that of its CA."""
    if cluster not in set(_clusters(directory)):
        raise HostError(f"this server asks for no certificate of {cluster}")
    try:
        x509.load_pem_x509_certificate(authority.encode())
        matches = remains.match(certificate.encode(), (directory / Path(KEY).name).read_bytes())
    except ValueError as error:
        raise HostError(f"what {cluster} signed is no certificate: {error}") from None
    if not matches:
        raise HostError(f"what {cluster} signed is not for the key of this server: it asks again")
    durable.write(directory / f"{cluster}{_AUTHORITY}", authority, _MODE)
    durable.write(directory / f"{cluster}{_CERTIFICATE}", certificate, _MODE)


def _clusters(directory: Path) -> Iterator[str]:
    return (path.stem for path in directory.glob(f"*{_CERTIFICATE}"))


def _is_due(path: Path, directory: Path) -> bool:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        matches = remains.match(path.read_bytes(), (directory / Path(KEY).name).read_bytes())
    except (OSError, ValueError):
        return True
    stands_in = found.issuer == found.subject
    return not matches or stands_in or found.not_valid_after_utc - datetime.now(UTC) < RENEWED_BEFORE


def _stand_in(directory: Path) -> bytes:
    """Return a certificate of the key that signs itself."""
    key = _key(directory)
    made = (
        x509.CertificateBuilder()
        .subject_name(_subject())
        .issuer_name(_subject())
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC))
        .not_valid_after(_NEVER)
    )
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _key(directory: Path) -> ec.EllipticCurvePrivateKey:
    path = directory / Path(KEY).name
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise HostError(f"{path} is no key that was made here: remove it, then run this again")
    return key


def _subject() -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, USER)])
