"""The Consul servers of a datacenter, as this one sees them: who leads, who votes; and its own restart.

https://developer.hashicorp.com/consul/api-docs/operator/autopilot
"""

from __future__ import annotations

import time
from typing import Any

from k8s_lifecycle.discovery.agent import Agent, AgentError
from k8s_lifecycle.discovery.files import AGENT
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.consul import AUTOPILOT
from k8s_lifecycle.server.command import output

UNIT = "consul"
# What a reload does not take up.
FILES = ("/usr/bin/consul", "/etc/systemd/system/consul.service.d/k8s.conf", AGENT)
_AUTOPILOT = "operator/autopilot/configuration"
_UNHEALTHY = 429
_NOT_YET = "not initialized yet"  # what a leader says in its first moments
_POLL = 1.0


def look(agent: Agent) -> dict[str, Any]:
    """Return who leads, who votes, and whether all are well."""
    raft = agent.get("operator/raft/configuration")["Servers"]
    return {
        "leader": next((one["Node"] for one in raft if one["Leader"]), None),
        "voters": sorted(one["Node"] for one in raft if one["Voter"]),
        "healthy": _all_are_well(agent),
    }


def autopilot(agent: Agent) -> dict[str, Any]:
    """Return the settings of autopilot that are not as they should be. The configuration's count only once.

    When Consul begins it puts them into Raft, where they stay: before that nothing needs to be changed.
    """
    try:
        found = agent.get(_AUTOPILOT)
    except AgentError as error:
        if _NOT_YET in str(error):
            return {}
        raise
    return {name: found.get(name) for name, value in AUTOPILOT.items() if found.get(name) != value}


def set_autopilot(agent: Agent) -> None:
    """Make the settings of autopilot what they should be, unless somebody else changes them meanwhile."""
    found = agent.get(_AUTOPILOT)
    agent.put(_AUTOPILOT, {**found, **AUTOPILOT}, cas=str(found["ModifyIndex"]))


def restart(agent: Agent, server: str, timeout: float) -> None:
    """Restart Consul on this server and wait until all are well, itself among the voters."""
    before = look(agent)
    if not before["healthy"]:
        raise HostError("not all Consul servers are well: nothing was restarted")
    output("systemctl", "restart", UNIT, timeout=timeout)
    deadline = time.monotonic() + timeout
    said = "it was not asked yet"
    while time.monotonic() < deadline:
        try:
            now = look(agent)
        except AgentError as error:
            said = str(error)
        else:
            if now["healthy"] and now["leader"] and server in now["voters"]:
                return
            said = f"leader {now['leader']}, voters {', '.join(now['voters'])}"
        time.sleep(_POLL)
    raise HostError(
        f"{server} was restarted, and the Consul servers are not all well after {timeout:.0f} s: {said} — "
        "see `journalctl -u consul` there; no other was restarted"
    )


def _all_are_well(agent: Agent) -> bool:
    try:
        return bool(agent.get("operator/autopilot/health")["Healthy"])
    except AgentError as error:
        if error.status == _UNHEALTHY:
            return False
        raise
