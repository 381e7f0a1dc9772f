"""Bootstrap tokens: Secrets that let their holder ask for one node's certificate.

https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from k8s_lifecycle.cluster.api import Api, Json

COLLECTION = "/api/v1/namespaces/kube-system/secrets"
GROUP = "system:bootstrappers:kubeadm:default-node-token"
TYPE = "bootstrap.kubernetes.io/token"

_ALPHABET = string.ascii_lowercase + string.digits


def new() -> str:
    """Return a new token: its id, which is no secret, and its secret."""
    return ".".join("".join(secrets.choice(_ALPHABET) for _ in range(length)) for length in (6, 16))


def create(api: Api, token: str, expires: int, description: str, annotations: Mapping[str, str]) -> None:
    """Make a token valid until `expires`, for logging in as a server that joins and for nothing else."""
    name, _, secret = token.partition(".")
    api.create(
        COLLECTION,
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": TYPE,
            "metadata": {"name": f"bootstrap-token-{name}", "annotations": dict(annotations)},
            "stringData": {
                "token-id": name,
                "token-secret": secret,
                "description": description,
                "expiration": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "usage-bootstrap-authentication": "true",
                "auth-extra-groups": GROUP,
            },
        },
    )


def path(token_id: str) -> str:
    """Return the path of a token's Secret."""
    return f"{COLLECTION}/bootstrap-token-{token_id}"


def listed(api: Api) -> Iterator[Json]:
    """Yield the Secret of every token, without what is secret in it."""
    for secret in api.get(COLLECTION, fieldSelector=f"type={TYPE}")["items"]:
        secret.get("data", {}).pop("token-secret", None)
        yield secret


def text(secret: Json, field: str) -> str:
    """Return one field of a token's Secret."""
    return base64.b64decode(secret.get("data", {}).get(field, "")).decode()


def expires(secret: Json) -> float:
    """Return when a token expires, in seconds since the epoch."""
    return datetime.fromisoformat(text(secret, "expiration")).timestamp()


def delete_described(api: Api, description: str) -> None:
    """Delete every token with this description."""
    for secret in listed(api):
        if text(secret, "description") == description:
            api.delete(f"{COLLECTION}/{secret['metadata']['name']}")
