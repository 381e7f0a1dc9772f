"""How a cluster's certificate authority is told from another's."""

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CA = Path("/etc/kubernetes/pki/ca.crt")
UNREADABLE = "unreadable"


def key_hash(certificates: bytes) -> str:
    """Return the hash of the first certificate's public key, as in kubeadm's caCertHashes: 'sha256:...'."""
    key = x509.load_pem_x509_certificates(certificates)[0].public_key()
    content = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def local(path: Path = CA) -> str | None:
    """Return the hash of the authority whose certificate this server holds; None where it holds none."""
    try:
        return key_hash(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:  # kubeadm was killed while it wrote it: the server is not bare, whosever it was
        return UNREADABLE
