"""The files of the endpoint on a control plane server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8s_lifecycle.model import endpoint

HAPROXY = "/etc/haproxy/haproxy.cfg"
KEEPALIVED = "/etc/keepalived/keepalived.conf"
FILES = (HAPROXY, KEEPALIVED)


def look(haproxy: Path = Path(HAPROXY)) -> Mapping[str, Any] | None:
    """Return which endpoint is here, and between which servers; None where there is none."""
    try:
        return endpoint.read(haproxy.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
