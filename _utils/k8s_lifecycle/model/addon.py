"""The network addon's identity: what the spec asks for, as one hash that is kept beside what was applied."""

import hashlib
import json

from k8s_lifecycle.model.schema import plain
from k8s_lifecycle.model.settings import Spec

ANNOTATION = "k8s-lifecycle.io/network-addon"


def content_hash(spec: Spec) -> str | None:
    """Return the hash of everything that the addon's manifest is made from; None when there is no addon."""
    if spec.network_addon.kind == "none":
        return None
    content = json.dumps([plain(spec.network_addon), spec.networks.pods], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
