"""What the spec sets of the kubelet's configuration."""

from typing import Any

from k8s_lifecycle.model.merge import merge
from k8s_lifecycle.model.settings import Spec


def wanted(spec: Spec, pool: str | None) -> dict[str, Any]:
    """Return the fields that the spec sets on a server: the cluster's under those of its pool."""
    return merge(spec.kubelet, spec.pools[pool].kubelet if pool else {})
