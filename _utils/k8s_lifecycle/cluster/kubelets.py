"""Kubelets, asked through the API server, which verifies their serving certificates."""

from __future__ import annotations

from collections.abc import Collection

from k8s_lifecycle.cluster.api import Api, RefusedError
from k8s_lifecycle.cluster.nodes import NODES


def unverified(api: Api, nodes: Collection[str]) -> dict[str, str]:
    """Return why which of these nodes' kubelets cannot be asked; empty if all can."""
    return {node: reason for node in nodes if (reason := _refusal(api, node))}


def _refusal(api: Api, node: str) -> str:
    try:
        api.get(f"{NODES}/{node}/proxy/healthz")
    except RefusedError as error:
        return str(error)
    return ""
