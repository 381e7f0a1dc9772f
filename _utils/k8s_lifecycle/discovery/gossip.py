"""The gossip key: which one this server's agent uses, and on a Consul server the change to another.

Between servers of one datacenter it is a matter of that datacenter; between those of different ones, any
Consul server carries a change to all. https://developer.hashicorp.com/consul/api-docs/operator/keyring
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from k8s_lifecycle.discovery.agent import FORBIDDEN, Agent, AgentError
from k8s_lifecycle.discovery.quorum import UNIT
from k8s_lifecycle.model.consul import DATA
from k8s_lifecycle.server.command import output

KEYRING, WAN_KEYRING = Path(DATA, "serf/local.keyring"), Path(DATA, "serf/remote.keyring")
METHODS = {"install": "POST", "use": "PUT"}
_ALIVE = 1


def used(keyring: Path = KEYRING) -> str | None:
    """Return the key that the datacenter uses now, as its agent keeps it; None where it never ran."""
    keys = _keys(keyring)
    return keys[0] if keys else None


def look(agent: Agent, key: str, keyring: Path = KEYRING, wan_keyring: Path = WAN_KEYRING) -> dict[str, Any]:
    """Return where the change to a key stands, with no key in it.

    key: a digest by which keys are compared. members: of this datacenter; have, use: how many of them.
    others: whether another key is known, too. wan: whether this server itself `uses` it between datacenters,
    only `has` it, or has `none` of it. gone: members that would not hear of a change.
    """
    (pool,) = agent.get("operator/keyring", **{"local-only": "true"})
    members = [*agent.get("agent/members"), *agent.get("agent/members", wan="1")]
    own, wan = _keys(keyring), _keys(wan_keyring)
    return {
        "key": hashlib.sha256(key.encode()).hexdigest()[:16],
        "members": pool["NumNodes"],
        "have": pool["Keys"].get(key, 0),
        "use": pool["PrimaryKeys"].get(key, 0),
        "others": {*pool["Keys"], *own, *wan} != {key},
        "wan": "uses" if wan[:1] == [key] else "has" if key in wan else "none",
        "gone": sorted({member["Name"] for member in members if member["Status"] != _ALIVE}),
    }


def change(
    agent: Agent, step: str, key: str, keyring: Path = KEYRING, wan_keyring: Path = WAN_KEYRING
) -> None:
    """Carry out one step of a change to a key: `install` it, `use` it, or `remove` all others."""
    if step != "remove":
        _carry_out(agent, METHODS[step], key)
        return
    (pool,) = agent.get("operator/keyring", **{"local-only": "true"})
    for old in sorted({*pool["Keys"], *_keys(keyring), *_keys(wan_keyring)} - {key}):
        _carry_out(agent, "DELETE", old)


def start_over(keyring: Path = KEYRING) -> None:
    """Have the agent forget its keys and stop: when it is started again, it has the one of its configuration.

    For an agent that no Consul server lets in. Perhaps nobody uses those that it knows any more, and with a
    keyring of its own it does not look at its configuration; while it starts it takes no reload.
    """
    keyring.unlink(missing_ok=True)
    output("systemctl", "stop", UNIT)


def _carry_out(agent: Agent, method: str, key: str) -> None:
    """Consul asks other datacenters, too, where our token is worth nothing: here it is done all the same."""
    try:
        agent.keyring(method, key)
    except AgentError as error:
        if error.status != FORBIDDEN or "ACL not found" not in str(error):
            raise


def _keys(keyring: Path) -> list[str]:
    try:
        keys: list[str] = json.loads(keyring.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return keys
