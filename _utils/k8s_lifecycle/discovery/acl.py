"""Who may do what in this datacenter's Consul: on a Consul server, with the management token.

Each datacenter has ACLs of its own: what one has given is worth nothing in another, and one that is cut off
goes on alone. Everything here may be done twice, and by several Consul servers at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from k8s_lifecycle.discovery.agent import Agent
from k8s_lifecycle.model import consul

ANONYMOUS = "00000000-0000-0000-0000-000000000002"


def open_catalogue(agent: Agent) -> None:
    """Let everybody look up nodes and services."""
    policy = _policy(agent)
    rules = {"Name": consul.CATALOGUE_POLICY, "Rules": consul.CATALOGUE_RULES}
    if policy is None or policy["Rules"] != consul.CATALOGUE_RULES:
        agent.put(f"acl/policy/{policy['ID']}" if policy else "acl/policy", rules)
    links = {"Description": "Anonymous Token", "Policies": [{"Name": consul.CATALOGUE_POLICY}]}
    agent.put(f"acl/token/{ANONYMOUS}", links)


def catalogue_is_open(agent: Agent) -> bool:
    """Whether everybody may look up nodes and services, and do nothing else."""
    policy = _policy(agent)
    links = [link["Name"] for link in agent.get(f"acl/token/{ANONYMOUS}").get("Policies") or ()]
    return bool(policy and policy["Rules"] == consul.CATALOGUE_RULES and links == [consul.CATALOGUE_POLICY])


def grant(
    agent: Agent, datacenter: str, server: str, services: Sequence[str], secret: str | None = None
) -> str:
    """Return the token of a server, made if it has none, for this node and these services and no others.

    secret: what a new one shall be; by chance if not given.
    """
    wanted = consul.token(datacenter, server, services)
    path = f"acl/token/{wanted['AccessorID']}"
    found = agent.find(path)
    if found is not None and secret not in (None, found["SecretID"]):
        agent.delete(path)
        found = None
    if found is None:
        found = agent.put("acl/token", {**wanted, **({"SecretID": secret} if secret else {})})
    elif not grants(found, wanted):
        found = agent.put(path, wanted)
    return str(found["SecretID"])


def grants(token: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a token allows what is wanted of it, and nothing else."""
    services = {one["ServiceName"] for one in token.get("ServiceIdentities") or ()}
    nodes = [(one["NodeName"], one["Datacenter"]) for one in token.get("NodeIdentities") or ()]
    return (
        services == {one["ServiceName"] for one in wanted["ServiceIdentities"]}
        and nodes == [(one["NodeName"], one["Datacenter"]) for one in wanted["NodeIdentities"]]
        and not (token.get("Policies") or token.get("Roles"))
    )


def forget(agent: Agent, datacenter: str, server: str) -> list[str]:
    """Revoke a server's token and take its node out of the catalogue; return what was there."""
    gone = []
    path = f"acl/token/{consul.accessor(datacenter, server)}"
    if agent.find(path) is not None:
        agent.delete(path)
        gone.append("token")
    if server in {member["Name"] for member in agent.get("agent/members")}:
        agent.put(f"agent/force-leave/{server}", prune="")
        gone.append("member")
    if agent.get(f"catalog/node/{server}") is not None:
        agent.put("catalog/deregister", {"Node": server})
        gone.append("node")
    return gone


def _policy(agent: Agent) -> Any:
    link = next((one for one in agent.get("acl/policies") if one["Name"] == consul.CATALOGUE_POLICY), None)
    return agent.get(f"acl/policy/{link['ID']}") if link else None
