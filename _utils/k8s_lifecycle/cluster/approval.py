"""Approve certificate signing requests through the API."""

from __future__ import annotations

from typing import Any

from k8s_lifecycle.cluster import csr, servers
from k8s_lifecycle.cluster.api import Api, ConflictError, Json

COLLECTION = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def requests(api: Api, signer: str) -> list[Json]:
    """Return all requests to a signer."""
    found: list[Json] = api.get(COLLECTION, fieldSelector=f"spec.signerName={signer}")["items"]
    return found


def approve(api: Api, request: Json, why: str) -> None:
    """Approve a request; one that somebody decided on meanwhile is left to that."""
    condition = {"type": "Approved", "status": "True", "reason": "k8s-lifecycle", "message": why}
    request.setdefault("status", {}).setdefault("conditions", []).append(condition)
    try:
        api.replace(f"{COLLECTION}/{request['metadata']['name']}/approval", request)
    except ConflictError:
        return


def approve_serving(api: Api) -> dict[str, Any]:
    """Approve the kubelets' requests for serving certificates that are in order.

    Returns the nodes whose requests were approved now, and why others were not.
    """
    waiting = [request for request in requests(api, csr.SERVING) if csr.pending(request)]
    addresses = servers.addresses(api) if waiting else {}
    done, refused = set(), {}
    for request in waiting:
        if objections := csr.objections_to_serving(request, addresses):
            refused[request["metadata"]["name"]] = "; ".join(objections)
        else:
            approve(api, request, "its names and addresses are those that the node was admitted with")
            done.add(csr.node_of(request))
    return {"approved": sorted(done), "refused": refused}
