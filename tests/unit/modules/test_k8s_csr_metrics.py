"""How a cluster signs the certificate of a Prometheus server: in order, audited, and only for its user."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_api import FakeApi

from k8s_lifecycle.cluster import approval, metrics_access
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.cluster_metrics import PROXY_USER, USER, rbac

KEY = ec.generate_private_key(ec.SECP256R1())


def request(*names, sans=()):
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


GOOD = ((NameOID.COMMON_NAME, USER),)


class Signing(FakeApi):
    """An API whose signer answers an approved request with a status."""

    def __init__(self, **status):
        super().__init__()
        self.status = status

    def path_of(self, manifest):
        return f"/{manifest['kind']}/{manifest['metadata']['name']}"

    def apply(self, path, manifest):
        self._write("apply", path)
        self._store(path, manifest)
        return self.get(path)

    def create(self, path, manifest):
        named = {**manifest, "metadata": {**manifest["metadata"], "name": "csr-1"}}
        super().create(path, named)
        return self.get(f"{path}/csr-1")

    def replace(self, path, manifest):
        conditions = [*manifest["status"]["conditions"], *self.status.get("conditions", ())]
        super().replace(path, {**manifest, "status": {**self.status, "conditions": conditions}})


def test_it_is_approved_in_the_api_for_a_month_and_returned():
    api = Signing(certificate=base64.b64encode(b"signed").decode())
    assert metrics_access.sign(api, "dc1-mon-1", request(*GOOD)) == "signed"
    made = api.find(f"{approval.COLLECTION}/csr-1")
    assert made["metadata"]["annotations"] == {"k8s-lifecycle/server": "dc1-mon-1"}
    assert made["spec"]["signerName"] == "kubernetes.io/kube-apiserver-client"
    assert (made["spec"]["usages"], made["spec"]["expirationSeconds"]) == (
        ["digital signature", "client auth"],
        30 * 86400,
    )
    assert made["status"]["conditions"][0]["message"] == "Prometheus on dc1-mon-1"
    kinds = {one["kind"] for one in rbac()}
    assert {path.split("/")[1] for verb, path in api.calls if verb == "apply"} == kinds


@pytest.mark.parametrize(
    ("names", "sans", "said"),
    [
        (((NameOID.COMMON_NAME, "kubernetes-admin"),), (), "its subject is CN=kubernetes-admin"),
        (((NameOID.COMMON_NAME, PROXY_USER),), (), "its subject is"),
        ((*GOOD, (NameOID.ORGANIZATION_NAME, "system:masters")), (), "its subject is"),
        ((*GOOD, (NameOID.COMMON_NAME, "kubernetes-admin")), (), "its subject is"),
        ((), (), "its subject is"),
        (GOOD, (x509.DNSName("dc1-cp-1"),), "it names hosts"),
    ],
)
def test_what_is_not_in_order_does_not_reach_the_api(names, sans, said):
    api = Signing()
    with pytest.raises(HostError, match=said):
        metrics_access.sign(api, "dc1-mon-1", request(*names, sans=sans))
    assert api.calls == []


def test_what_is_no_request_does_not_reach_the_api():
    api = Signing()
    with pytest.raises(HostError, match="no valid certificate signing request"):
        metrics_access.sign(api, "dc1-mon-1", "rubbish")
    assert api.calls == []


def test_a_signer_that_refuses_is_quoted_and_one_that_is_silent_waited_for():
    api = Signing(conditions=[{"type": "Failed", "status": "True", "message": "the CA is away"}])
    with pytest.raises(HostError, match="csr-1 was not signed: Failed: the CA is away"):
        metrics_access.sign(api, "dc1-mon-1", request(*GOOD))
    with pytest.raises(HostError, match="has not signed csr-1 within 0 s"):
        metrics_access.sign(Signing(), "dc1-mon-1", request(*GOOD), within=0.1)


def test_nobody_may_do_more_than_read_metrics():
    granted = {}
    for one in rbac():
        for rule in one.get("rules", ()):
            what = (*rule.get("nonResourceURLs", ()), *rule.get("resources", ()))
            granted.setdefault((one["kind"], one["metadata"]["name"]), []).append((what, rule["verbs"]))
    assert granted == {
        ("ClusterRole", USER): [(("/metrics",), ["get"]), (("nodes/metrics",), ["get"])],
        ("Role", USER): [(("pods",), ["list"]), (("pods/proxy",), ["get"])],
        ("ClusterRole", PROXY_USER): [(("/metrics",), ["get"])],
    }
    roles = [one["metadata"] for one in rbac() if one["kind"] in ("Role", "RoleBinding")]
    assert roles == [{"name": USER, "namespace": "kube-system"}] * 2
