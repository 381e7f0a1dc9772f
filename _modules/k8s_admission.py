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


def request(cluster: str) -> dict[str, Any]:
    """
    Request an admission of this server to a cluster: make the key pair that it is to be sealed to.

    The private half stays in memory (/run) and is destroyed when the box is opened. An earlier one is lost.

    cluster
        The cluster's name.
    Returns the public half (``public``) and this server's addresses, the one that it shows to others first.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_admission.request dc1-prod
    """
    with failures.told(f"requesting an admission to {cluster}"):
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
    """
    Mint the admission of one server to this control plane server's cluster, and seal it to the server's key.

    Until it is revoked or expires, a process beside the minion approves the one certificate that it is for.

    fence
        The fencing number of the run.
    cluster
        The cluster's name.
    spec
        The cluster's spec, as plain data, with the version that the server has been prepared for.
    server
        The minion id of the server.
    node
        The name that its node will have.
    role
        ``control-plane`` (the admission then carries the cluster's certificate authorities) or ``worker``.
    pool
        The pool of a worker.
    public
        The public key that ``k8s_admission.request`` returned on the server.
    addresses
        The addresses that it returned. The node gets serving certificates for these and no others.
    ttl
        For how many seconds it is valid.

    Returns the sealed box (``box``) and the id of its token, which is no secret (``token_id``).

    Raises an error if the spec does not give the server this role, or is newer than the API server.

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
    """
    Revoke an admission: its token can do nothing any more, and no certificate is approved for it.

    token_id
        The id that ``k8s_admission.mint`` returned.

    Returns whether it was there: ``changed``.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_admission.revoke a1b2c3
    """
    with failures.told(f"revoking token {token_id}"):
        return {"changed": Api.local().delete(bootstrap_token.path(token_id))}
