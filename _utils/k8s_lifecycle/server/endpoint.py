"""The endpoint on a control plane server: what it was made for, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8s_lifecycle.model import endpoint
from k8s_lifecycle.server import services

HAPROXY = "/etc/haproxy/haproxy.cfg"
KEEPALIVED = "/etc/keepalived/keepalived.conf"
# In the order in which they end.
SERVICES = {KEEPALIVED: "keepalived", HAPROXY: "haproxy"}


def look(haproxy: Path = Path(HAPROXY)) -> Mapping[str, Any] | None:
    """Return which endpoint is here, and between which servers; None where there is none."""
    try:
        return endpoint.read(haproxy.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def ours() -> list[str]:
    """Return which of its files are here and were made by us."""
    found = [path for path in SERVICES if Path(path).exists()]
    return [path for path in found if endpoint.read(Path(path).read_text(errors="replace"))]


def remove() -> list[str]:
    """Stop what carries the endpoint, then remove its files; return what was there.

    keepalived would go on, and take the virtual address where it hears no other server any more.
    """
    found = ours()
    for path in found:
        services.stop(SERVICES[path])
        Path(path).unlink()
    return found
