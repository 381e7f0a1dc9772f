"""What a kubeadm that was cut off leaves: every torn piece is found, with what depends on it."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from k8s_lifecycle.server import remains
from k8s_lifecycle.server.remains import State

NOW = datetime.now(UTC)


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def certificate(name, key, issuer_name, issuer_key):
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(issuer_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def write_pair(pki, base, issuer=None):
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = (
        serialization.load_pem_private_key((pki / f"{issuer}.key").read_bytes(), None) if issuer else key
    )
    (pki / base).parent.mkdir(parents=True, exist_ok=True)
    (pki / f"{base}.key").write_bytes(key_pem(key))
    (pki / f"{base}.crt").write_bytes(certificate(base, key, issuer or base, issuer_key))


def write_kubeconfig(root, name):
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = serialization.load_pem_private_key((root / "pki/ca.key").read_bytes(), None)
    encoded = {
        "client-certificate-data": base64.b64encode(certificate(name, key, "ca", issuer)).decode(),
        "client-key-data": base64.b64encode(key_pem(key)).decode(),
    }
    authority = base64.b64encode((root / "pki/ca.crt").read_bytes()).decode()
    (root / f"{name}.conf").write_text(
        yaml.safe_dump(
            {
                "clusters": [{"cluster": {"certificate-authority-data": authority, "server": "https://x"}}],
                "users": [{"user": encoded}],
            }
        )
    )


@pytest.fixture
def root(tmp_path):
    """Everything that a whole `kubeadm init` leaves."""
    pki = tmp_path / "pki"
    for base in ("ca", "front-proxy-ca", "etcd/ca"):
        write_pair(pki, base)
    for base in ("apiserver", "apiserver-kubelet-client"):
        write_pair(pki, base, "ca")
    write_pair(pki, "front-proxy-client", "front-proxy-ca")
    for base in ("etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client"):
        write_pair(pki, base, "etcd/ca")
    account = ec.generate_private_key(ec.SECP256R1())
    (pki / "sa.key").write_bytes(key_pem(account))
    (pki / "sa.pub").write_bytes(public_pem(account))
    for name in ("admin", "super-admin", "kubelet", "controller-manager", "scheduler"):
        write_kubeconfig(tmp_path, name)
    (tmp_path / "manifests").mkdir()
    for pod in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        manifest = {"kind": "Pod", "metadata": {"name": pod}, "spec": {}, "status": {}}
        (tmp_path / f"manifests/{pod}.yaml").write_text(yaml.safe_dump(manifest))
    return tmp_path


def torn(root):
    return {name for name, state in remains.examine(root, root).items() if state is State.TORN}


def test_nothing_is_absent_everywhere(tmp_path):
    assert set(remains.examine(tmp_path, tmp_path).values()) == {State.ABSENT}


def test_all_is_whole(root):
    assert set(remains.examine(root, root).values()) == {State.WHOLE}
    assert remains.remove_torn(root, root) == []


def test_what_the_authorities_and_the_spec_make_again_can_go(root):
    remains.remove_derived(root, root)
    kept = {name for name, state in remains.examine(root, root).items() if state is State.WHOLE}
    assert kept == {*remains.CA_PIECES, *remains.MANIFEST_PIECES}


PIECES = {
    "pki/ca.crt": {
        "certs/ca",
        "certs/apiserver",
        "certs/apiserver-kubelet-client",
        *(
            f"kubeconfig/{name}"
            for name in ("admin", "super-admin", "kubelet", "controller-manager", "scheduler")
        ),
    },
    "pki/etcd/ca.crt": {
        "certs/etcd-ca",
        "certs/etcd-server",
        "certs/etcd-peer",
        "certs/etcd-healthcheck-client",
        "certs/apiserver-etcd-client",
    },
    "pki/front-proxy-ca.crt": {"certs/front-proxy-ca", "certs/front-proxy-client"},
    "pki/apiserver.crt": {"certs/apiserver"},
    "pki/apiserver.key": {"certs/apiserver"},
    "pki/etcd/peer.key": {"certs/etcd-peer"},
    "pki/sa.pub": {"certs/sa"},
    "admin.conf": {"kubeconfig/admin"},
    "manifests/etcd.yaml": {"etcd/local"},
    "manifests/kube-apiserver.yaml": {"control-plane/apiserver"},
}


@pytest.mark.parametrize("file", PIECES)
@pytest.mark.parametrize("damage", ["empty", "cut", "removed"])
def test_damage_is_found_with_what_depends_on_it(root, file, damage):
    path = root / file
    content = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    alone = damage == "removed" and file.endswith((".conf", ".yaml"))  # one file, and that is gone: absent
    assert torn(root) == (set() if alone else PIECES[file])


def test_a_key_without_its_certificate_is_torn(root):
    (root / "pki/apiserver.crt").unlink()
    assert remains.remove_torn(root, root) == ["certs/apiserver"]
    assert not (root / "pki/apiserver.key").exists()
    assert (root / "pki/ca.key").exists()


def test_a_certificate_of_another_authority_is_torn(root):
    write_pair(root / "pki", "apiserver", "etcd/ca")
    assert torn(root) == {"certs/apiserver"}


def test_a_certificate_of_another_key_is_torn(root):
    (root / "pki/apiserver.key").write_bytes((root / "pki/etcd/peer.key").read_bytes())
    assert torn(root) == {"certs/apiserver"}


@pytest.fixture
def kept(root):
    """The certificate that the kubelet keeps itself, with kubelet.conf leading to it."""
    path = root / "kubelet.conf"
    content = yaml.safe_load(path.read_text())
    user = content["users"][0]["user"]
    pem = root / remains.CLIENT_CERTIFICATE
    pem.write_bytes(
        base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"])
    )
    content["users"][0]["user"] = {"client-certificate": str(pem), "client-key": str(pem)}
    path.write_text(yaml.safe_dump(content))
    return pem


def test_the_kubelets_own_certificate_belongs_to_its_kubeconfig(root, kept):
    assert torn(root) == set()
    kept.write_bytes(b"")
    assert remains.remove_torn(root, root) == ["kubeconfig/kubelet"]
    assert not kept.exists()
    assert not (root / "kubelet.conf").exists()


def test_a_certificate_of_the_kubelet_from_another_life_is_torn(root, kept):
    (root / "kubelet.conf").unlink()
    assert torn(root) == {"kubeconfig/kubelet"}


def test_a_certificate_authority_without_a_key_is_not_touched(root):
    (root / "pki/ca.key").unlink()
    with pytest.raises(remains.KeylessError, match=r"ca\.crt has no key beside it"):
        remains.remove_torn(root, root)
