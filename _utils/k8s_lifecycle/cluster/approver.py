"""Approve the one client certificate of one admission, while that lasts.

    python -m k8s_lifecycle.cluster.approver TOKEN_ID

A process of its own beside the Salt minion, so that neither a minion that restarts nor a run that died
leaves a server half joined. All it knows is in the token's Secret: whom it admits, until when, and which
request got the certificate. It ends when the token is revoked, or revokes it when its time is up.
"""

from __future__ import annotations

import sys
import time

from k8s_lifecycle.cluster import approval, bootstrap_token, csr
from k8s_lifecycle.cluster.api import Api, ConflictError, Json, KubernetesError

NODE = "k8s-lifecycle/node"
MINION = "k8s-lifecycle/minion"
USED_BY = "k8s-lifecycle/used-by"
POLL = 0.3


def serve(api: Api, token_id: str) -> None:
    """Approve the admission's request when it comes, until the admission ends."""
    while True:
        try:
            if not look(api, token_id, time.time()):
                return
        except (
            KubernetesError
        ) as error:  # the API server of this server is restarting, or a control plane joins
            print(f"token {token_id}: {error}; trying again")
        time.sleep(POLL)


def look(api: Api, token_id: str, now: float) -> bool:
    """Look for the admission's request once; return whether to look again."""
    secret = api.find(bootstrap_token.path(token_id))
    if secret is None:
        return False
    if now > bootstrap_token.expires(secret):
        api.delete(bootstrap_token.path(token_id))
        print(f"token {token_id}: its time is up; revoked")
        return False
    for request in approval.requests(api, csr.CLIENT):
        ours = csr.pending(request) and csr.comes_by(request, token_id)
        if ours and _decides(api, token_id, secret, request):
            break  # the Secret changed: what comes next is held against its new version
    return True


def _decides(api: Api, token_id: str, secret: Json, request: Json) -> bool:
    """Approve a request if it is the admission's; return whether the admission was used by now."""
    name, annotations = request["metadata"]["name"], secret["metadata"]["annotations"]
    node, used_by = annotations[NODE], annotations.get(USED_BY, name)
    objections = csr.objections_to_client(request, token_id, node)
    if used_by != name:
        objections.append(f"the admission was used by {used_by}")
    if objections:
        print(f"token {token_id}: {name} is not approved: {'; '.join(objections)}")
        return False
    try:
        mark = {"resourceVersion": secret["metadata"]["resourceVersion"], "annotations": {USED_BY: name}}
        api.merge(bootstrap_token.path(token_id), {"metadata": mark})
    except ConflictError:  # another approver was first
        return True
    approval.approve(api, request, f"admission of {annotations[MINION]} as {node}")
    print(f"token {token_id}: {name} of {node} approved")
    return True


if __name__ == "__main__":
    serve(Api.local(), sys.argv[1])
