"""Who may do what in this datacenter's Consul: on a Consul server, with the management token.

Each datacenter has ACLs of its own: what one has given is worth nothing in another, and one that is cut off
goes on alone. Everything here may be done twice, and by several Consul servers at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.discovery import catalogue
from k8s_lifecycle.discovery.agent import Agent, AgentError
from k8s_lifecycle.model import consul

ANONYMOUS = "00000000-0000-0000-0000-000000000002"


def open_catalogue(agent: Agent) -> None:
    """Let everybody look up nodes and services."""
    _set_policy(agent, consul.CATALOGUE_POLICY, consul.CATALOGUE_RULES)
    links = {"Description": "Anonymous Token", "Policies": [{"Name": consul.CATALOGUE_POLICY}]}
    agent.put(f"acl/token/{ANONYMOUS}", links)


def catalogue_is_open(agent: Agent) -> bool:
    """Whether everybody may look up nodes and services, and do nothing else."""
    policy = _policy(agent, consul.CATALOGUE_POLICY)
    links = [link["Name"] for link in agent.get(f"acl/token/{ANONYMOUS}").get("Policies") or ()]
    return bool(policy and policy["Rules"] == consul.CATALOGUE_RULES and links == [consul.CATALOGUE_POLICY])


def cluster_policies(agent: Agent) -> dict[str, str]:
    """Return the rules of the policies that clusters have now, by their names."""
    names = [one["Name"] for one in agent.get("acl/policies")]
    ours = [name for name in names if name.startswith(consul.CLUSTER_POLICY)]
    return {name: policy["Rules"] for name in ours if (policy := _policy(agent, name))}


def set_cluster_policies(agent: Agent, wanted: Mapping[str, str]) -> None:
    """Let each cluster write what it may; forget those that may no longer, with what they have written."""
    there = cluster_policies(agent)
    for name, rules in wanted.items():
        if there.get(name) != rules:
            _set_policy(agent, name, rules)
    for name in there.keys() - wanted.keys():
        if policy := _policy(agent, name):
            agent.delete(f"acl/policy/{policy['ID']}")
        catalogue.forget(agent, consul.cluster_node(name.removeprefix(consul.CLUSTER_POLICY)))


def grant(agent: Agent, wanted: Mapping[str, Any], secret: str) -> None:
    """Have a token that allows what is wanted and nothing else, with this secret and no other any more.

    wanted: as the model has it.
    """
    path = f"acl/token/{wanted['AccessorID']}"
    found = agent.find(path)
    if found is not None and found["SecretID"] != secret:
        agent.delete(path)
        found = None
    if found is None:
        agent.put("acl/token", {**wanted, "SecretID": secret})
    elif not grants(found, wanted):
        agent.put(path, wanted)


def revoke(agent: Agent, accessor: str) -> bool:
    """Revoke a token; return whether there was one."""
    path = f"acl/token/{accessor}"
    there = agent.find(path) is not None
    if there:
        agent.delete(path)
    return there


def grants(token: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a token allows what is wanted of it, and nothing else."""
    return _allowed(token) == _allowed(wanted)


def forget(agent: Agent, datacenter: str, server: str) -> list[str]:
    """Revoke a server's token and take its node out of the catalogue; return what was there."""
    gone = []
    own, for_cluster = consul.accessor(datacenter, server), consul.cluster_accessor(datacenter, server)
    # A list: both are to go, whether there was the first or not.
    if any([revoke(agent, own), revoke(agent, for_cluster)]):
        gone.append("token")
    if server in {member["Name"] for member in agent.get("agent/members")}:
        agent.put(f"agent/force-leave/{server}", prune="")
        gone.append("member")
    if agent.get(f"catalog/node/{server}") is not None:
        agent.put("catalog/deregister", {"Node": server})
        gone.append("node")
    return gone


def _allowed(token: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        {one["ServiceName"] for one in token.get("ServiceIdentities") or ()},
        {(one["NodeName"], one["Datacenter"]) for one in token.get("NodeIdentities") or ()},
        {one["Name"] for one in token.get("Policies") or ()},
        bool(token.get("Roles")),
    )


def _set_policy(agent: Agent, name: str, rules: str) -> None:
    content = {"Name": name, "Rules": rules}
    policy = _policy(agent, name)
    if policy is None:
        if _is_first(agent, content):
            return
        policy = _policy(agent, name)
    if policy["Rules"] != rules:
        agent.put(f"acl/policy/{policy['ID']}", content)


def _is_first(agent: Agent, content: Mapping[str, Any]) -> bool:
    """Make a policy; return whether no other Consul server has made one of its name meanwhile."""
    try:
        agent.put("acl/policy", content)
    except AgentError as error:
        if "already exists" in str(error):
            return False
        raise
    return True


def _policy(agent: Agent, name: str) -> Any:
    link = next((one for one in agent.get("acl/policies") if one["Name"] == name), None)
    return agent.get(f"acl/policy/{link['ID']}") if link else None
