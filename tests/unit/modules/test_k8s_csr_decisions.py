"""Which requests for certificates are in order: a table of what must not get through, with real requests."""

import base64
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from k8s_lifecycle.cluster import csr

KEY = ec.generate_private_key(ec.SECP256R1())
ADDRESSES = {"dc1-w-1": frozenset({"10.11.0.21", "fd00::21"})}


def request(common="system:node:dc1-w-1", organizations=("system:nodes",), names=(), more=()):
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    attributes += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    attributes += [x509.NameAttribute(oid, value) for oid, value in more]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()


def dns(name):
    return x509.DNSName(name)


def ip(address):
    return x509.IPAddress(ipaddress.ip_address(address))


def client(**changes):
    spec = {
        "signerName": csr.CLIENT,
        "username": "system:bootstrap:abc123",
        "groups": ["system:bootstrappers"],
        "usages": ["digital signature", "client auth"],
        "request": request(),
        **changes,
    }
    return {"metadata": {"name": "csr-1"}, "spec": spec}


GOOD_NAMES = (dns("dc1-w-1"), ip("10.11.0.21"))


def serving(names=GOOD_NAMES, **changes):
    spec = {
        "signerName": csr.SERVING,
        "username": "system:node:dc1-w-1",
        "groups": ["system:nodes", "system:authenticated"],
        "usages": ["digital signature", "server auth"],
        "request": request(names=names),
        **changes,
    }
    return {"metadata": {"name": "csr-2"}, "spec": spec}


@pytest.mark.parametrize(
    "usages", [["client auth", "digital signature"], ["digital signature", "key encipherment", "client auth"]]
)
def test_the_admitted_node_gets_its_client_certificate(usages):
    assert csr.objections_to_client(client(usages=usages), "abc123", "dc1-w-1") == []


CLIENT_TABLE = {
    "another signer": ({"signerName": "kubernetes.io/kube-apiserver-client"}, "its signer is"),
    "no signer": ({"signerName": None}, "its signer is"),
    "another token": ({"username": "system:bootstrap:zzz999"}, "it comes from system:bootstrap:zzz999"),
    "a node": ({"username": "system:node:dc1-w-1"}, "it comes from system:node:dc1-w-1"),
    "another node": ({"request": request("system:node:dc1-cp-1")}, "its subject is"),
    "an administrator": ({"request": request("kubernetes-admin", ["system:masters"])}, "its subject is"),
    "one more group": (
        {"request": request(organizations=["system:nodes", "system:masters"])},
        "its subject is",
    ),
    "no group": ({"request": request(organizations=[])}, "its subject is"),
    "one more name": ({"request": request(more=[(NameOID.COMMON_NAME, "system:admin")])}, "its subject is"),
    "a unit": ({"request": request(more=[(NameOID.ORGANIZATIONAL_UNIT_NAME, "x")])}, "its subject is"),
    "a server": ({"usages": ["digital signature", "client auth", "server auth"]}, "its usages are"),
    "no client": ({"usages": ["digital signature"]}, "its usages are"),
    "a host": ({"request": request(names=[dns("dc1-w-1")])}, "it names hosts"),
    "rubbish": ({"request": base64.b64encode(b"rubbish").decode()}, "no valid certificate signing request"),
    "no base64": ({"request": "%"}, "no valid certificate signing request"),
}


@pytest.mark.parametrize("case", CLIENT_TABLE)
def test_a_client_certificate_for_anything_else_is_refused(case):
    changes, said = CLIENT_TABLE[case]
    objections = csr.objections_to_client(client(**changes), "abc123", "dc1-w-1")
    assert len(objections) == 1
    assert said in objections[0]


def test_a_changed_request_is_refused():
    pem = bytearray(base64.b64decode(request()))
    der = bytearray(base64.b64decode(b"".join(bytes(pem).splitlines()[1:-1])))
    der[der.index(b"dc1-w-1") + 6] = ord("2")
    forged = (
        b"-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.encodebytes(bytes(der))
        + b"-----END CERTIFICATE REQUEST-----\n"
    )
    forged_csr = client(request=base64.b64encode(forged).decode())
    assert csr.objections_to_client(forged_csr, "abc123", "dc1-w-2") == [
        "it is no valid certificate signing request"
    ]


@pytest.mark.parametrize(
    "names",
    [GOOD_NAMES, (ip("10.11.0.21"),), (dns("dc1-w-1"),), (dns("dc1-w-1"), ip("10.11.0.21"), ip("fd00::21"))],
)
def test_a_kubelet_gets_its_serving_certificate(names):
    assert csr.objections_to_serving(serving(names), ADDRESSES) == []


SERVING_TABLE = {
    "another signer": (serving(signerName="kubernetes.io/legacy-unknown"), "its signer is"),
    "not a node": (serving(username="system:serviceaccount:default:x"), "no node that was admitted"),
    "a node nobody admitted": (serving(username="system:node:evil"), "no node that was admitted"),
    "not in the group": (serving(groups=["system:authenticated"]), "is not in system:nodes"),
    "another node's name": (
        serving(request=request("system:node:dc1-w-2", names=GOOD_NAMES)),
        "its subject is",
    ),
    "a client": (serving(usages=["digital signature", "client auth"]), "its usages are"),
    "both": (serving(usages=["digital signature", "server auth", "client auth"]), "its usages are"),
    "no host": (serving(()), "it names no host"),
    "the API's name": (serving((dns("kubernetes.default.svc"),)), "it names the host kubernetes.default.svc"),
    "a name of its domain": (serving((dns("dc1-w-1.evil.org"),)), "it names the host dc1-w-1.evil.org"),
    "a wildcard": (serving((dns("*"),)), "it names the host *"),
    "another's address": (serving((*GOOD_NAMES, ip("10.11.0.22"))), "it names 10.11.0.22"),
    "the virtual address": (serving((*GOOD_NAMES, ip("10.11.0.100"))), "it names 10.11.0.100"),
    "loopback": (serving((ip("127.0.0.1"),)), "it names 127.0.0.1"),
    "a mail address": (serving((*GOOD_NAMES, x509.RFC822Name("a@b.org"))), "neither a host nor an address"),
    "a URI": (
        serving((*GOOD_NAMES, x509.UniformResourceIdentifier("spiffe://x/y"))),
        "neither a host nor an address",
    ),
}


@pytest.mark.parametrize("case", SERVING_TABLE)
def test_a_serving_certificate_for_anything_else_is_refused(case):
    request_, said = SERVING_TABLE[case]
    objections = csr.objections_to_serving(request_, ADDRESSES)
    assert len(objections) == 1
    assert said in objections[0]


def test_what_was_decided_is_not_pending():
    assert csr.pending(client())
    assert not csr.pending({**client(), "status": {"conditions": [{"type": "Denied"}]}})
