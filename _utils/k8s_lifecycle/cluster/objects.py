"""Make objects of the API be as given."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from k8s_lifecycle.cluster.api import Api, UnknownKindError

NEW_KIND_WITHIN = 30.0


def apply(api: Api, manifests: Iterable[Mapping[str, Any]]) -> list[str]:
    """Apply manifests in their order; return those that were not as given before."""
    return [name for manifest in manifests if (name := _applied(api, manifest))]


def _applied(api: Api, manifest: Mapping[str, Any]) -> str | None:
    path = _path(api, manifest)
    before = api.find(path)
    after = api.apply(path, manifest)
    same = before and before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
    return None if same else f"{manifest['kind']} {manifest['metadata']['name']}"


def _path(api: Api, manifest: Mapping[str, Any]) -> str:
    """Return the path of an object; one whose kind was defined just before takes a moment to be known."""
    deadline = time.monotonic() + NEW_KIND_WITHIN
    while True:
        try:
            return api.path_of(manifest)
        except UnknownKindError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
