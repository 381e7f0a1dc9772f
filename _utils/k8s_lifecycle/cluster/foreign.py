"""A cluster that somebody else runs, seen through a kubeconfig on this server, by kubectl.

kubectl knows every way to log in that a kubeconfig can name, and leaves no key behind in /tmp.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8s_lifecycle.cluster import view
from k8s_lifecycle.cluster.nodes import NODES
from k8s_lifecycle.server.command import output
from k8s_lifecycle.wording import last_useful_lines

TIMEOUT = 10
_LINES = 3


def look(kubeconfig: Path, context: str | None = None) -> dict[str, Any]:
    """Return its version and nodes as plain data; where it does not answer, only the reason."""
    if not kubeconfig.is_file():
        return {"reachable": False, "error": f"this server has no file {kubeconfig}"}
    try:
        return view.overview(_raw(kubeconfig, context, "/version"), _raw(kubeconfig, context, NODES)["items"])
    except (RuntimeError, ValueError, LookupError, TypeError) as error:
        return {"reachable": False, "error": last_useful_lines(str(error), _LINES)}


def _raw(kubeconfig: Path, context: str | None, path: str) -> Mapping[str, Any]:
    chosen = [f"--context={context}"] if context else []
    words = ["kubectl", f"--kubeconfig={kubeconfig}", *chosen, f"--request-timeout={TIMEOUT}s"]
    said: Mapping[str, Any] = json.loads(output(*words, "get", "--raw", path, timeout=TIMEOUT * 1.5))
    return said
