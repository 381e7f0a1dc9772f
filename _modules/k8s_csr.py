"""Certificate signing requests in this control plane server's cluster: of kubelets, and of Prometheus."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from k8s_lifecycle import failures
from k8s_lifecycle.cluster import approval, kubelets, metrics_access
from k8s_lifecycle.cluster.api import KUBERNETES_DIRECTORY, Api

__virtualname__ = "k8s_csr"


def approve_serving(nodes: list[str] | None = None, timeout: float = 0) -> dict[str, Any]:
    """Approve the kubelets' pending requests for serving certificates that are in order.

    In order is: sent by the node itself, for its own name, usages of a server, addresses only that its
    server was admitted with. Others stay as they are. Kubelets renew these certificates within a year, so
    that this also runs on a schedule: Kubernetes itself never approves them.
    https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers

    nodes
        Names of nodes that need one now, a list: wait until the API server verifies what each shows. Default:
        none.
    timeout
        For how many seconds to wait for those. Default: 0, one look.

    Returns the nodes whose requests were approved now (``approved``), the reasons why others were not, by the
    name of the request (``refused``), and why the API server does not verify the certificates of which of
    ``nodes`` (``unverified``).

    Raises an error if the API server on this server does not answer or refuses. A request that is not in
    order, or does not come, is none.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_csr.approve_serving
        salt dc1-cp-1 k8s_csr.approve_serving '[dc1-w-1]' timeout=30
    """
    with failures.told("approving serving certificates"):
        api = Api.local()
        deadline = time.monotonic() + timeout
        done = approval.approve_serving(api)
        while (unverified := kubelets.unverified(api, nodes or ())) and time.monotonic() < deadline:
            time.sleep(1)
            more = approval.approve_serving(api)
            done = {"approved": done["approved"] + more["approved"], "refused": more["refused"]}
        return {**done, "unverified": unverified}


def sign_prometheus(server: str, request: str) -> dict[str, str]:
    """Sign the certificate with which a Prometheus server reads the metrics of this cluster, for 30 days.

    Its user may read the metrics of the API server, kubelets and CoreDNS, and, through the proxy on control
    planes, of etcd, controller manager and scheduler; the objects that grant this are made. Who may have one
    is the master's to know: ``monitoring.prometheus.servers`` of the cluster's datacenter.
    https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers

    server
        The minion id of the Prometheus server, for the audit log.
    request
        What ``k8s_prometheus.waiting`` returned on it: a certificate signing request, PEM.

    Returns a mapping with nothing secret in it: ``certificate`` and the cluster's CA, ``authority``; PEM.

    Raises an error if the request is for another user or names hosts, the cluster's signer does not sign it
    within 30 s, or the API server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_csr.sign_prometheus dc1-mon-1 '-----BEGIN CERTIFICATE REQUEST-----...'
    """
    with failures.told(f"signing the certificate of Prometheus on {server}"):
        authority = Path(KUBERNETES_DIRECTORY, "pki/ca.crt").read_text(encoding="ascii")
        certificate = metrics_access.sign(Api.local(), server, request)
        return {"certificate": certificate, "authority": authority}


def unverified(nodes: list[str]) -> dict[str, str]:
    """Ask the kubelet of each of these nodes through the API server, which verifies its certificate.

    Without that, ``kubectl logs`` and ``exec`` do not work on a node.

    nodes
        The names of the nodes, a list.

    Returns why it does not work for which of them, by name; empty if it works for all.

    Raises an error if the API server on this server does not answer.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_csr.unverified '[dc1-w-1]'
    """
    with failures.told("asking kubelets through the API server"):
        return kubelets.unverified(Api.local(), nodes)
