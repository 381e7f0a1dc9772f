"""What the Consul agent on this server says of it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from k8s_lifecycle.server import services

AGENT = "http://127.0.0.1:8500"
TIMEOUT = 2.0
LONGEST_ANSWER = 2**20
_WORST_FIRST = ("critical", "warning", "passing")


def health(agent: str = AGENT) -> dict[str, str]:
    """Return the state of Consul here, and what explains it.

    state: `none` (no agent is installed), `stopped`, `silent` (it runs and does not answer), `leaderless`, or
    the worst of the agent's checks: `passing`, `warning`, `critical`.
    """
    unit = services.states("consul")["consul"]
    if unit == services.NOT_INSTALLED:
        return _told("none", "")
    if unit != "active":
        return _told("stopped", f"its service is {unit}")
    return _asked(agent)


def _asked(agent: str) -> dict[str, str]:
    try:
        if not _get(f"{agent}/v1/status/leader"):
            return _told("leaderless", "its servers have no leader")
        checks = [(one["Status"], one["Name"]) for one in _get(f"{agent}/v1/agent/checks").values()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return _told("silent", f"{agent}: {error}")
    worst = next((state for state in _WORST_FIRST if any(state == one for one, _ in checks)), "passing")
    return _told(worst, ", ".join(sorted(name for state, name in checks if state == worst != "passing")))


def _told(state: str, detail: str) -> dict[str, str]:
    return {"state": state, "detail": detail}


def _get(url: str) -> Any:
    """Ask the agent itself: no proxy of the environment is between us."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=TIMEOUT) as answer:
        return json.loads(answer.read(LONGEST_ANSWER))
