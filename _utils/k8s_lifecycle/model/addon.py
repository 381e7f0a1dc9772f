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


def content_hash(spec: Spec) -> str | None:
    """Return what identifies the addon that the spec asks for; None where the site installs its own.

    A file of the site is known by its name and values: a new version of it gets a new name, or a new value.
    """
    addon = spec.network_addon
    if addon.kind == "none":
        return None
    content: Any = flannel.manifests(spec) if addon.kind == "flannel" else [addon.source, dict(addon.values)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def manifests(spec: Spec, template: str = "") -> list[dict[str, Any]]:
    """Return the addon's objects, marked with its content hash.

    template: the text of the spec's `network_addon.source`, a Jinja template over `values`.
    """
    if spec.network_addon.kind == "flannel":
        objects = flannel.manifests(spec)
    else:
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - YAML
        text = environment.from_string(template).render(**spec.network_addon.values)
        objects = [document for document in yaml.safe_load_all(text) if document]
    return [_marked(manifest, content_hash(spec)) for manifest in objects]


def installed(workloads: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the content hash that an addon's Deployments and DaemonSets bear; None unless they agree."""
    found = {workload["metadata"].get("annotations", {}).get(CONTENT) for workload in workloads}
    return found.pop() if len(found) == 1 else None


def _marked(manifest: Mapping[str, Any], content: str | None) -> dict[str, Any]:
    metadata = manifest["metadata"]
    labels = {**metadata.get("labels", {}), LABEL: "network"}
    annotations = {**metadata.get("annotations", {}), CONTENT: content}
    return {**manifest, "metadata": {**metadata, "labels": labels, "annotations": annotations}}
