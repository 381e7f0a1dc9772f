"""Let a Prometheus server read the cluster's metrics: a certificate, for a user who may do this only."""

from __future__ import annotations

import base64
import time

from k8s_lifecycle.cluster import approval, csr, objects
from k8s_lifecycle.cluster.api import Api, Json
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import cluster_metrics

SIGNER = "kubernetes.io/kube-apiserver-client"
SERVER = "k8s-lifecycle/server"
LIFE = 30 * 86400
WITHIN = 30.0
_POLL = 0.5


def sign(api: Api, server: str, request: str, within: float = WITHIN) -> str:
    """Return the certificate (PEM) for a server's request.

    It goes through the API, so that the cluster's own signer signs it, wherever its CA is, and the audit log
    has it.
    """
    manifest = _manifest(server, request)
    if objections := csr.objections_to_user(manifest, cluster_metrics.USER):
        raise HostError(f"the request of {server} is not in order: {'; '.join(objections)}")
    objects.apply(api, cluster_metrics.rbac())
    made = api.create(approval.COLLECTION, manifest)
    approval.approve(api, made, f"Prometheus on {server}")
    return _signed(api, made["metadata"]["name"], within)


def _manifest(server: str, request: str) -> Json:
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "k8s-lifecycle-prometheus-", "annotations": {SERVER: server}},
        "spec": {
            "request": base64.b64encode(request.encode()).decode(),
            "signerName": SIGNER,
            "usages": ["digital signature", "client auth"],
            "expirationSeconds": LIFE,
        },
    }


def _signed(api: Api, name: str, within: float) -> str:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        status = api.get(f"{approval.COLLECTION}/{name}").get("status", {})
        if "certificate" in status:
            return base64.b64decode(status["certificate"]).decode()
        for one in status.get("conditions", ()):
            if one["type"] in ("Denied", "Failed"):
                raise HostError(f"{name} was not signed: {one['type']}: {one.get('message', '')}")
        time.sleep(_POLL)
    raise HostError(f"{SIGNER} has not signed {name} within {within:.0f} s: does the controller manager run?")
