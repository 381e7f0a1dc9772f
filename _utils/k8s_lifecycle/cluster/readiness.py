"""Whether a Node or a pod is Ready."""

from __future__ import annotations

from k8s_lifecycle.cluster.api import Json


def is_ready(found: Json) -> bool:
    """Whether a Node or a pod is Ready: both say so by the same condition."""
    return _condition(found) == "True"


def is_unreachable(node: Json) -> bool:
    """Whether a node's kubelet has not been heard of for so long that nothing is known of the node."""
    return _condition(node) == "Unknown"


def _condition(found: Json) -> str | None:
    conditions: dict[str, str] = {
        condition["type"]: condition["status"] for condition in found["status"].get("conditions", ())
    }
    return conditions.get("Ready")
