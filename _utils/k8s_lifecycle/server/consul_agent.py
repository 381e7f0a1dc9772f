"""What the Consul agent on this server says of it."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any

from k8s_lifecycle.server import services

AGENT = "http://127.0.0.1:8500"
TIMEOUT = 2.0
LONGEST_ANSWER = 2**20
_WORST_FIRST = ("critical", "warning", "passing")


def health(server: str, agent: str = AGENT) -> dict[str, Any]:
    """Return the state of Consul here, what explains it, and what the catalogue has of this server.

    state: `none` (no agent is installed), `stopped`, `silent` (it runs and does not answer), `leaderless`, or
    the worst of the agent's checks: `passing`, `warning`, `critical`. services: their ids;
    None with any other state.
    """
    unit = services.states("consul")["consul"]
    if unit == services.NOT_INSTALLED:
        return _told("none", "")
    if unit != "active":
        return _told("stopped", f"its service is {unit}")
    return _asked(server, agent)


def _asked(server: str, agent: str) -> dict[str, Any]:
    try:
        if not _get(f"{agent}/v1/status/leader"):
            return _told("leaderless", "its servers have no leader")
        checks = [(one["Status"], one["Name"]) for one in _get(f"{agent}/v1/agent/checks").values()]
        node = _get(f"{agent}/v1/catalog/node/{urllib.parse.quote(server)}")
        services = sorted(node["Services"]) if node else []
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return _told("silent", f"{agent}: {error}")
    worst = next((state for state in _WORST_FIRST if any(state == one for one, _ in checks)), "passing")
    detail = ", ".join(sorted(name for state, name in checks if state == worst != "passing"))
    return _told(worst, detail, services)


def _told(state: str, detail: str, services: list[str] | None = None) -> dict[str, Any]:
    return {"state": state, "detail": detail, "services": services}


def _get(url: str) -> Any:
    """Ask the agent itself: no proxy of the environment is between us."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=TIMEOUT) as answer:
        return json.loads(answer.read(LONGEST_ANSWER))
