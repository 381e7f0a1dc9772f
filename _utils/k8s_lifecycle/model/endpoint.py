"""The endpoint of the API: keepalived carries its address, haproxy its connections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.model.settings import Spec

_MARK = "Managed by Salt (k8s.endpoint): "
_MARKED = re.compile(rf"^# {re.escape(_MARK)}(.*)$", re.MULTILINE)
_BACKEND = re.compile(r"^ +server (\S+) \[?([^]\s]+?)]?:\d+$", re.MULTILINE)


def is_managed(spec: Spec, role: str) -> bool:
    """Whether a server of this role carries the endpoint."""
    return role == "control-plane" and spec.control_plane.endpoint.kind == "managed"


def layout(spec: Spec) -> dict[str, Any]:
    """Return what the templates of haproxy and keepalived need besides the servers' addresses."""
    endpoint = spec.control_plane.endpoint
    return {
        "mark": _MARK + mark(spec),
        "address": endpoint.address,
        "port": endpoint.port,
        "virtual_router_id": endpoint.virtual_router_id,
        "interface": endpoint.interface,
    }


def mark(spec: Spec) -> str:
    """Return the line by which the files show for which endpoint they were made.

    The servers' addresses are not in it: only the runner knows those of all servers, and a server that only
    looks at itself must be able to say whether its files are up to date.
    """
    endpoint = spec.control_plane.endpoint
    where = endpoint.interface or "the default route's interface"
    return (
        f"cluster {spec.name}, {endpoint.address} on {where}, port {endpoint.port},"
        f" virtual router {endpoint.virtual_router_id}"
    )


def read(text: str) -> Mapping[str, Any] | None:
    """Return what a file was made for: `mark`, of haproxy.cfg `peers` by server, too; None if not by us."""
    made_for = _MARKED.search(text)
    if made_for is None:
        return None
    return {"mark": made_for[1], "peers": dict(_BACKEND.findall(text))}
