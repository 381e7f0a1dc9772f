"""The network addon of a cluster: its objects, and how one version of it is told from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import jinja2
import yaml

from k8s_lifecycle.model import flannel
from k8s_lifecycle.model.settings import Spec

CONTENT = "k8s-lifecycle/content"
LABEL = "k8s-lifecycle/addon"
WORKLOADS = {"DaemonSet": "daemonsets", "Deployment": "deployments"}


def content_hash(spec: Spec) -> str | None:
    """Return what identifies the spec's addon, as KIND:HASH; None where the site installs its own.

    A file of the site is known by its name and values: a new version of it gets a new name, or a new value.
    """
    addon = spec.network_addon
    if addon.kind == "none":
        return None
    content: Any = flannel.manifests(spec) if addon.kind == "flannel" else [addon.source, dict(addon.values)]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    return f"{addon.kind}:{digest}"


def manifests(spec: Spec, template: str = "") -> list[dict[str, Any]]:
    """Return the addon's objects, marked with its content hash.

    template: the text of the spec's `network_addon.source`, a Jinja template over `values`.
    Raises: ValueError if no workload is among them, by which it is seen that the addon is installed.
    """
    if spec.network_addon.kind == "flannel":
        objects = flannel.manifests(spec)
    else:
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - YAML
        text = environment.from_string(template).render(**spec.network_addon.values)
        objects = [document for document in yaml.safe_load_all(text) if document]
    if not any(manifest["kind"] in WORKLOADS for manifest in objects):
        raise ValueError(f"{spec.network_addon.source} has none of {', '.join(WORKLOADS)}: correct it")
    return [_marked(manifest, content_hash(spec)) for manifest in objects]


def drift(spec: Spec, found: str | None) -> list[str]:
    """Return why the installed addon cannot become the spec's: no network is changed for another one.

    found: the content of the one that is installed, None where there is none or only a part.
    """
    kind = found.partition(":")[0] if found else spec.network_addon.kind
    if kind == spec.network_addon.kind:
        return []
    return [
        f"{spec.name}.yaml: network_addon.kind: '{spec.network_addon.kind}' in the spec, '{kind}' in the "
        f"cluster — write '{kind}': no operation can change it yet"
    ]


def installed(workloads: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the content hash that an addon's Deployments and DaemonSets bear; None unless they agree."""
    found = {workload["metadata"].get("annotations", {}).get(CONTENT) for workload in workloads}
    return found.pop() if len(found) == 1 else None


def _marked(manifest: Mapping[str, Any], content: str | None) -> dict[str, Any]:
    metadata = manifest["metadata"]
    labels = {**metadata.get("labels", {}), LABEL: "network"}
    annotations = {**metadata.get("annotations", {}), CONTENT: content}
    return {**manifest, "metadata": {**metadata, "labels": labels, "annotations": annotations}}
