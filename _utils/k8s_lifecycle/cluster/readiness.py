"""Whether a Node or a pod is Ready."""

from __future__ import annotations

from k8s_lifecycle.cluster.api import Json


def is_ready(found: Json) -> bool:
    """Whether a Node or a pod is Ready: both say so by the same condition."""
    conditions = {
        condition["type"]: condition["status"] for condition in found["status"].get("conditions", ())
    }
    return conditions.get("Ready") == "True"
