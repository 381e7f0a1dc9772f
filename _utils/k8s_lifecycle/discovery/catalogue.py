"""What a cluster has in Consul's catalogue: the services of one node, which no server is and no agent has.

A node of an agent would not do: an agent takes away what it does not know of. Nothing is touched but what is
marked as ours, on a node that is marked as ours; the token allows nothing else either.
https://developer.hashicorp.com/consul/api-docs/catalog
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from k8s_lifecycle.discovery.agent import Agent, AgentError
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.consul import cluster_node
from k8s_lifecycle.model.kubernetes_services import OURS, Instance

_STATUS = {True: "passing", False: "critical"}
_SAID = {True: "an endpoint is ready", False: "no endpoint is ready"}

_Call = tuple[str, str, dict[str, Any]]  # about what, which, with what


@dataclass(frozen=True)
class Cluster:
    """A cluster as a node of Consul. address: its endpoint's."""

    name: str
    address: str

    @property
    def node(self) -> str:
        """Return the name of its node."""
        return cluster_node(self.name)


@dataclass(frozen=True)
class Differences:
    """What is to be written and what to be removed. node: whether the node itself is."""

    node: bool
    write: list[Instance]
    remove: list[str]

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.node or self.write or self.remove)


def found(agent: Agent, cluster: Cluster) -> dict[str, Instance] | None:
    """Return our instances by their ids; None where the cluster has no node yet.

    agent: without a token. With one, Consul 1.8 takes ids for names, and hides what it may not read by them.
    """
    told = agent.get(f"catalog/node/{cluster.node}")
    if not told:
        return None
    if not _ours(told["Node"].get("Meta")):
        raise HostError(
            f"Consul has a node {cluster.node} that is not of our making, and is left alone — see what it "
            "is, and take it out of the catalogue"
        )
    checks = agent.get(f"health/node/{cluster.node}")
    ready = {one["ServiceID"]: one["Status"] == _STATUS[True] for one in checks}
    return {
        key: Instance(one["Service"], one["Address"], one["Port"], one["Meta"], ready.get(key))
        for key, one in told["Services"].items()
        if _ours(one.get("Meta"))
    }


def differences(there: dict[str, Instance] | None, wanted: Iterable[Instance]) -> Differences:
    """Return what is to be done."""
    by_id = {one.id: one for one in wanted}
    has = there or {}
    return Differences(
        there is None,
        [one for key, one in by_id.items() if has.get(key) != one],
        [key for key in has if key not in by_id],
    )


def settle(agent: Agent, cluster: Cluster, todo: Differences, may_write: Callable[[], None]) -> None:
    """Write what differs. may_write: is called before each change, and raises where it may not be made.

    What Consul refuses keeps nothing else from being written; it is told at the end.
    """
    node = {"Node": cluster.node, "Address": cluster.address, "NodeMeta": OURS}
    calls: list[_Call] = [(cluster.node, "register", node)] if todo.node else []
    calls += [(one.id, "register", _registration(cluster, one)) for one in todo.write]
    calls += [(key, "deregister", {"Node": cluster.node, "ServiceID": key}) for key in todo.remove]
    refused = []
    for what, verb, content in calls:
        may_write()
        try:
            agent.put(f"catalog/{verb}", content)
        except AgentError as error:
            if error.status is None:
                raise
            refused.append(f"{what}: {error}")
    if refused:
        raise HostError("; ".join(refused))


def forget(agent: Agent, node: str) -> bool:
    """Take a cluster's node and its services out of the catalogue; return whether there was one of ours."""
    told = agent.get(f"catalog/node/{node}")
    if not told or not _ours(told["Node"].get("Meta")):
        return False
    agent.put("catalog/deregister", {"Node": node})
    return True


def _registration(cluster: Cluster, instance: Instance) -> dict[str, Any]:
    ready = bool(instance.ready)
    return {
        "Node": cluster.node,
        "Address": cluster.address,
        "SkipNodeUpdate": True,
        "Service": {
            "ID": instance.id,
            "Service": instance.service,
            "Address": instance.address,
            "Port": instance.port,
            "Meta": dict(instance.meta),
        },
        "Check": {
            "Node": cluster.node,
            "CheckID": f"{instance.id}/ready",
            "Name": f"{instance.service} is ready in Kubernetes",
            "Status": _STATUS[ready],
            "Output": _SAID[ready],
            "ServiceID": instance.id,
        },
    }


def _ours(meta: dict[str, str] | None) -> bool:
    return (meta or {}).get("managed-by") == OURS["managed-by"]
