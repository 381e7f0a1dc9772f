"""The bootstrap token of an admission is good for one certificate of one node."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lab_session import Lab, wait_until

PYTHON = "/opt/saltstack/salt/bin/python3"
OPEN = """
import sys
sys.path.append("/var/cache/salt/minion/extmods/utils")
from k8s_lifecycle.cluster import admission
for document in admission.open_box(sys.argv[1], sys.argv[2]).documents:
    if document["kind"] == "JoinConfiguration":
        print(document["discovery"]["tlsBootstrapToken"])
"""

# The first line that it is given is a kubeconfig, the rest what to create.
AS_BEARER = """
umask 077
IFS= read -r config
printf %s "$config" >/run/bearer.conf
kubectl --kubeconfig=/run/bearer.conf create --validate=false -f - || failed=$?
rm /run/bearer.conf
exit ${failed:-0}
"""


@pytest.fixture
def token(demo: Lab, provisioned: dict[str, Any]) -> Iterator[str]:
    """The bootstrap token of an admission of dc1-w-1: minted as a run does, opened where only root can."""
    spec = json.loads(
        demo("salt-run", "pillar.show_pillar", "dc1-w-1", "--out=json").stdout
    )["k8s"]["spec"]  # fmt: skip
    fence = demo.salt("dc1-cp-1", "k8s_server.facts")["fence"]
    public = demo.salt("dc1-w-1", "k8s_admission.request", str(fence), "dc1-prod")
    minted = demo.salt(
        "dc1-cp-1",
        "k8s_admission.mint",
        *(f"{name}={json.dumps(value)}" for name, value in {
            "fence": fence, "cluster": "dc1-prod", "spec": spec,
            "server": "dc1-w-1", "node": "dc1-w-1", "role": "worker", "pool": "general", **public,
        }.items()),
    )  # fmt: skip
    opened = demo("exec", "dc1-w-1", "--", PYTHON, "-c", OPEN, minted["box"], "dc1-w-1").stdout
    yield opened.strip()
    demo.salt("dc1-cp-1", "k8s_admission.revoke", minted["token_id"])
    # An API server remembers for ten seconds that a token was good.
    late = certificate_request("late", "dc1-w-1")
    wait_until("the token to be revoked", lambda: "Unauthorized" in as_bearer(demo, opened.strip(), late), 20)


def test_the_token_of_an_admission_gets_one_certificate_for_one_node(demo: Lab, token: str) -> None:
    assert "created" in as_bearer(demo, token, certificate_request("foreign", "dc1-w-2"))
    assert "created" in as_bearer(demo, token, certificate_request("own", "dc1-w-1"))
    wait_until("the node's own request to be approved", lambda: condition(demo, "own") == "Approved", 30)
    assert "created" in as_bearer(demo, token, certificate_request("again", "dc1-w-1"))
    time.sleep(5)  # in which the approver looks a dozen times
    assert condition(demo, "again") == ""
    assert condition(demo, "foreign") == ""
    demo.kubectl("dc1-cp-1", "delete", "csr", "--all")


def as_bearer(lab: Lab, token: str, request: str) -> str:
    """Create a request as who has the token; return what was said."""
    given = f"{json.dumps(kubeconfig(token))}\n{request}"
    done = lab("exec", "dc1-cp-1", "--", "sh", "-euc", AS_BEARER, given=given, check=False)
    return done.stdout + done.stderr


def kubeconfig(token: str) -> dict[str, Any]:
    """Return the configuration of who has nothing but the token: an argument would show it to everybody."""
    cluster = {
        "server": "https://api.dc1-prod.lab:8443",
        "certificate-authority": "/etc/kubernetes/pki/ca.crt",
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "dc1-prod", "cluster": cluster}],
        "users": [{"name": "bearer", "user": {"token": token}}],
        "contexts": [{"name": "bearer", "context": {"cluster": "dc1-prod", "user": "bearer"}}],
        "current-context": "bearer",
    }


def certificate_request(name: str, node: str) -> str:
    """Return what a kubelet of that node asks for when it has a bootstrap token."""
    subject = [(NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, f"system:node:{node}")]
    signed = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in subject]))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    request = base64.b64encode(signed.public_bytes(Encoding.PEM)).decode()
    return json.dumps(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {
                "request": request,
                "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
                "usages": ["digital signature", "client auth"],
            },
        }
    )


def condition(lab: Lab, request: str) -> str:
    return lab.kubectl("dc1-cp-1", "get", "csr", request, "-o", "jsonpath={.status.conditions[0].type}")
