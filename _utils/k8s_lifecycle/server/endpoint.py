"""The endpoint on a control plane server: what it was made for, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8s_lifecycle.model import endpoint
from k8s_lifecycle.server import services

HAPROXY = "/etc/haproxy/haproxy.cfg"
KEEPALIVED = "/etc/keepalived/keepalived.conf"
FILES = (HAPROXY, KEEPALIVED)


def look(haproxy: Path = Path(HAPROXY)) -> Mapping[str, Any] | None:
    """Return which endpoint is here, and between which servers; None where there is none."""
    try:
        return endpoint.read(haproxy.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def ours() -> list[str]:
    """Return which of its files are here and were made by us."""
    found = [Path(path) for path in FILES if Path(path).exists()]
    return [str(path) for path in found if endpoint.is_marked(path.read_text(encoding="utf-8"))]


def remove() -> list[str]:
    """Stop what carries the endpoint, then remove its files; return what was there.

    keepalived would go on, and take the virtual address where it hears no other server any more.
    """
    found = ours()
    if found:
        services.stop("keepalived", "haproxy")
    for path in found:
        Path(path).unlink()
    return found
