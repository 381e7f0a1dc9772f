"""The network addon in the API: applied as a whole, and which one is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from k8s_lifecycle.cluster import objects
from k8s_lifecycle.cluster.api import Api, Json
from k8s_lifecycle.model import addon

APPS = "/apis/apps/v1"


def apply(api: Api, manifests: Sequence[Mapping[str, Any]]) -> list[str]:
    """Apply an addon's objects and remove the workloads of an earlier version that it no longer has.

    Returns the objects that were not so before.
    """
    changed = objects.apply(api, manifests)
    wanted = {_identity(manifest) for manifest in manifests}
    for kind, workload in _workloads(api):
        if _identity({**workload, "kind": kind}) not in wanted:
            metadata = workload["metadata"]
            api.delete(
                f"{APPS}/namespaces/{metadata['namespace']}/{addon.WORKLOADS[kind]}/{metadata['name']}"
            )
            changed.append(f"{kind} {metadata['name']}, removed")
    return changed


def installed(api: Api) -> str | None:
    """Return the content of the addon that is installed; None where there is none, or not one as a whole."""
    return addon.installed([workload for _, workload in _workloads(api)])


def _workloads(api: Api) -> Iterator[tuple[str, Json]]:
    for kind, plural in addon.WORKLOADS.items():
        for workload in api.get(f"{APPS}/{plural}", labelSelector=f"{addon.LABEL}=network")["items"]:
            yield kind, workload


def _identity(manifest: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", "default"), metadata["name"]
