"""Admissions: one server may join one cluster once.

The target requests one with a key pair of its own (``request``), a control plane server mints it and seals it
to that key (``mint``), the target opens it and joins (``k8s_kubeadm.join``), and it is revoked (``revoke``).
"""

from __future__ import annotations

import time
from typing import Any

from k8s_lifecycle import failures, fencing
from k8s_lifecycle.cluster import admission, bootstrap_token, minting
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.server import addresses as own_addresses

__virtualname__ = "k8s_admission"


def request(fence: int, cluster: str) -> dict[str, Any]:
    """Request an admission of this server to a cluster: make the key pair that it is to be sealed to.

    The private half stays in memory (/run) and is destroyed when a box is opened. An earlier one is lost.

    fence
        The fencing number of the run, a whole number.
    cluster
        The cluster's name. Only a box for this cluster opens.

    Returns the public half of the key (``public``, X25519, base64) and this server's addresses
    (``addresses``), the one that it shows to others first: those of the interface with the default route.

    Raises an error if this server has seen a higher fencing number, /run cannot be written or ``ip`` fails.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_admission.request 7 dc1-prod
    """
    with failures.told(f"requesting an admission to {cluster}"):
        fencing.admit(fence)
        return {"public": admission.request(cluster), "addresses": own_addresses.own()}


def mint(  # noqa: PLR0917 - Salt has no keyword-only arguments
    fence: int,
    cluster: str,
    spec: dict[str, Any],
    server: str,
    node: str,
    role: str,
    pool: str | None,
    public: str,
    addresses: list[str],
    ttl: int = 600,
) -> dict[str, str]:
    """Mint the admission of one server to this control plane's cluster, and seal it to the server's key.

    Until it is revoked or expires, a process beside the minion (``k8s-approver-TOKEN_ID.service``) approves
    the one certificate that it is for. An earlier admission of the same server is revoked.

    fence
        The fencing number of the run, a whole number.
    cluster
        The cluster's name, for messages. The admission is to the cluster that the spec names.
    spec
        The cluster's spec, a mapping as in the pillar, at the version that the server was prepared for.
    server
        The minion id of the server.
    node
        The name that its node will have: the minion id in lower case.
    role
        ``control-plane`` (the admission then carries the cluster's certificate authorities) or ``worker``.
    pool
        The pool of a worker; None for a control plane.
    public
        The public key that ``k8s_admission.request`` returned on the server.
    addresses
        The addresses that it returned, a list. The node gets serving certificates for these only, without the
        cluster's virtual address and those in its pod and service networks.
    ttl
        For how many seconds it is valid. Default: 600.

    Returns the sealed box (``box``) and the id of its token, which is no secret (``token_id``).

    Raises an error if this server has seen a higher fencing number; if the spec is not valid, does not give
    the server this role, pool and node name, or is newer than the API server; if ``addresses`` has none of
    the server's own, or ``public`` is no key; if a file of the PKI is missing here, the API server on this
    server does not answer or refuses, or the process beside the minion does not start.

    A kubelet must not be newer than its API server: https://kubernetes.io/releases/version-skew-policy/#kubelet
    Tokens: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_admission.mint 7 dc1-prod '{...}' dc1-w-1 dc1-w-1 worker general 'mK8...'
        '[10.11.0.21]'
    """
    with failures.told(f"admitting {server} to {cluster}"):
        fencing.admit(fence)
        applicant = minting.Applicant(server, node, role, pool, public, tuple(addresses))
        return minting.mint(Api.local(), specs.from_dict(spec), applicant, int(time.time()) + ttl)


def revoke(token_id: str) -> dict[str, bool]:
    """Revoke an admission: its token can do nothing any more, and no certificate is approved for it.

    A certificate that was issued for it stays valid.

    token_id
        The id that ``k8s_admission.mint`` returned.

    Returns whether it was there: ``changed``.

    Raises an error if the API server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_admission.revoke a1b2c3
    """
    with failures.told(f"revoking token {token_id}"):
        return {"changed": Api.local().delete(bootstrap_token.path(token_id))}
