"""The certificate of the proxy of metrics: what it is for, and when it is made anew."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.cluster_metrics import PROXY_NAME, PROXY_USER
from k8s_lifecycle.server import metrics_proxy

KEYS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
}


def lay_out_authority(folder, key):
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")]), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    made = builder.add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    (folder / "pki").mkdir(exist_ok=True)
    (folder / "pki/ca.crt").write_bytes(made.public_bytes(Encoding.PEM))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "pki/ca.key").write_bytes(pem)


@pytest.fixture(params=KEYS)
def made(request, tmp_path):
    """A control plane with either kind of CA that kubeadm makes, and the proxy's certificate."""
    lay_out_authority(tmp_path, KEYS[request.param]())
    metrics_proxy.make(tmp_path, tmp_path / "proxy.pem")
    return tmp_path


def wrong(folder):
    return metrics_proxy.wrong(folder, folder / "proxy.pem")


def test_it_is_of_a_name_that_no_host_has_and_of_a_user_that_only_reads_metrics(made):
    found = x509.load_pem_x509_certificate((made / "proxy.pem").read_bytes())
    assert found.subject.rfc4514_string() == f"CN={PROXY_USER}"
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName(PROXY_NAME)]
    usages = set(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert usages == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert (made / "proxy.pem").stat().st_mode & 0o777 == 0o600


def test_it_is_made_anew_when_it_gets_old_is_torn_or_of_another_ca(made, monkeypatch):
    assert wrong(made) == ""
    monkeypatch.setattr(metrics_proxy, "RENEWED_BEFORE", timedelta(days=91))
    assert wrong(made) == "expires soon"
    monkeypatch.undo()
    whole = (made / "proxy.pem").read_bytes()
    (made / "proxy.pem").write_bytes(whole[: len(whole) // 2])
    assert wrong(made) == "torn"
    (made / "proxy.pem").write_bytes(whole)
    for make_key in KEYS.values():
        lay_out_authority(made, make_key())
        assert wrong(made) == "of another CA"
    (made / "proxy.pem").unlink()
    assert wrong(made) == "none"
    metrics_proxy.make(made, made / "proxy.pem")
    assert wrong(made) == ""


def test_without_the_key_of_the_ca_it_says_what_to_put_there(made):
    (made / "pki/ca.key").unlink()
    with pytest.raises(HostError, match=f"no key on this server — sign a certificate for CN={PROXY_USER}"):
        metrics_proxy.make(made, made / "proxy.pem")
    assert wrong(made) == ""
