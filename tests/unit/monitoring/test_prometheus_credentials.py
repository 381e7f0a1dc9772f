"""With what Prometheus asks clusters: one key, stand-ins, what is due, and what is not accepted."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.cluster_metrics import USER
from k8s_lifecycle.server import prometheus_credentials as credentials

AUTHORITY = ec.generate_private_key(ec.SECP256R1())


def signed(key, days=30):
    """What a cluster signs for a public key."""
    name, ca = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (USER, "ca"))
    builder, now = x509.CertificateBuilder().subject_name(name).issuer_name(ca), datetime.now(UTC)
    builder = builder.public_key(key)
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=days))
    return builder.sign(AUTHORITY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.fixture
def folder(tmp_path):
    credentials.prepare(["a", "b"], tmp_path)
    return tmp_path


def requested(folder):
    return x509.load_pem_x509_csr(credentials.request(folder).encode())


def test_there_is_a_key_and_a_stand_in_for_each_cluster_and_again_nothing_is_made(folder):
    assert {path.name for path in folder.iterdir()} == {"client.key", "a.crt", "a.ca", "b.crt", "b.ca"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert credentials.missing(["a", "b"], folder) == {}
    credentials.prepare(["a", "b"], folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_cluster_that_is_gone_is_forgotten(folder):
    assert credentials.missing(["b", "c"], folder) == {
        "a.ca": True,
        "a.crt": True,
        "c.ca": False,
        "c.crt": False,
    }
    credentials.prepare(["b", "c"], folder)
    assert {path.stem for path in folder.iterdir()} == {"client", "b", "c"}


def test_the_request_is_for_the_user_and_nobody_else(folder):
    assert requested(folder).subject.rfc4514_string() == f"CN={USER}"
    assert list(requested(folder).extensions) == []


def test_stand_ins_are_due_and_what_a_cluster_signed_is_when_it_gets_old(folder):
    assert credentials.due(folder) == ["a", "b"]
    # The alert on expiry is for what a cluster signed: one that is not there yet is no fault.
    stand_in = x509.load_pem_x509_certificate((folder / "a.crt").read_bytes())
    assert stand_in.not_valid_after_utc.year == 9999
    credentials.accept("a", signed(requested(folder).public_key()), signed(AUTHORITY.public_key()), folder)
    assert credentials.due(folder) == ["b"]
    credentials.accept(
        "a", signed(requested(folder).public_key(), 19), signed(AUTHORITY.public_key()), folder
    )
    assert credentials.due(folder) == ["a", "b"]


@pytest.mark.parametrize("content", ["", "rubbish", signed(AUTHORITY.public_key())])
def test_what_is_torn_or_of_another_key_is_due(folder, content):
    credentials.accept("a", signed(requested(folder).public_key()), signed(AUTHORITY.public_key()), folder)
    (folder / "a.crt").write_text(content)
    assert "a" in credentials.due(folder)


@pytest.mark.parametrize(
    ("cluster", "certificate", "authority", "said"),
    [
        ("c", None, None, "asks for no certificate of c"),
        ("../x", None, None, "asks for no certificate of"),
        ("a", signed(AUTHORITY.public_key()), None, "not for the key of this server"),
        ("a", "rubbish", None, "is no certificate"),
        ("a", None, "rubbish", "is no certificate"),
    ],
)
def test_what_was_not_asked_for_is_not_accepted(folder, cluster, certificate, authority, said):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    own = signed(requested(folder).public_key())
    with pytest.raises(HostError, match=said):
        credentials.accept(cluster, certificate or own, authority or signed(AUTHORITY.public_key()), folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_key_that_is_torn_is_told(folder):
    (folder / "client.key").write_text("")
    (folder / "a.crt").unlink()
    with pytest.raises(HostError, match="is no key that was made here: remove it"):
        credentials.prepare(["a", "b"], folder)
    (folder / "client.key").unlink()
    credentials.prepare(["a", "b"], folder)
    assert credentials.due(folder) == ["a", "b"]
