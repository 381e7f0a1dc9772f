"""Services of Kubernetes in Consul: which are to be there, where they are reached, whether they are ready.

A Service is chosen by an annotation. What is registered are addresses at which a connection succeeds from
outside the cluster, too: those that the Service has for that, else its port on the nodes that run its pods,
where it is answered whatever its externalTrafficPolicy is. Addresses of pods and of Services are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from k8s_lifecycle.model.kinds import DNS_LABEL

NAME, PORT = "k8s-lifecycle/consul-service", "k8s-lifecycle/consul-port"
OF_SERVICE = "kubernetes.io/service-name"
OURS = {"managed-by": "k8s-lifecycle", "external-source": "kubernetes"}


class _Refused(Exception):
    """A Service that cannot be in Consul, with the reason."""


@dataclass(frozen=True)
class Service:
    """A Service that asks to be in Consul: what of it counts."""

    namespace: str
    name: str
    created: str
    asked: str
    port: str | None
    ports: tuple[tuple[str, int, int | None], ...]
    external: tuple[str, ...]


@dataclass(frozen=True)
class Endpoints:
    """A part of a Service's endpoints: the node of each, and whether it is ready."""

    namespace: str
    service: str
    ready: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Instance:
    """A service of Consul at one address. meta: whose it is."""

    service: str
    address: str
    port: int
    meta: Mapping[str, str]
    ready: bool | None

    @property
    def id(self) -> str:
        """Return the id by which it is found again, whoever has registered it."""
        own = (self.service, self.meta.get("namespace"), self.meta.get("kubernetes-service"))
        return "/".join((*map(str, own), f"{self.address}:{self.port}"))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def service(manifest: Mapping[str, Any]) -> Service | None:
    """Return what counts of a Service; None if it does not ask to be in Consul."""
    metadata, spec = manifest["metadata"], manifest["spec"]
    annotations = metadata.get("annotations") or {}
    if NAME not in annotations:
        return None
    ingress = (manifest.get("status") or {}).get("loadBalancer", {}).get("ingress") or ()
    given = (one.get("ip") or one.get("hostname") for one in ingress)
    return Service(
        metadata["namespace"],
        metadata["name"],
        metadata["creationTimestamp"],
        annotations[NAME],
        annotations.get(PORT),
        tuple((one.get("name", ""), one["port"], one.get("nodePort")) for one in spec.get("ports") or ()),
        tuple(address for address in (*(spec.get("externalIPs") or ()), *given) if address),
    )


def endpoints(manifest: Mapping[str, Any]) -> Endpoints | None:
    """Return what counts of an EndpointSlice."""
    name = (manifest["metadata"].get("labels") or {}).get(OF_SERVICE)
    if name is None:
        return None
    ready = (
        # A condition that is not there is true: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
        (one.get("nodeName") or "", (one.get("conditions") or {}).get("ready") is not False)
        for one in manifest.get("endpoints") or ()
    )
    return Endpoints(manifest["metadata"]["namespace"], name, tuple(ready))


def instances(
    services: Iterable[Service],
    slices: Iterable[Endpoints],
    nodes: Mapping[str, str],
    names: Iterable[str],
    place: Mapping[str, str],
) -> tuple[list[Instance], dict[str, str]]:
    """Return what is to be in Consul, and why some Services are not, by namespace and name.

    nodes: the address of each node. names: those that the cluster may give, `*` for any end. place: the
    cluster and its environment.
    """
    ready: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    for part in slices:
        ready.setdefault((part.namespace, part.service), []).extend(part.ready)
    found: list[Instance] = []
    refused: dict[str, str] = {}
    taken: dict[str, str] = {}
    # The first that has a name keeps it: who may write Services in one namespace gets nothing of another's.
    for one in sorted(services, key=lambda one: (one.created, one.namespace, one.name)):
        own = f"{one.namespace}/{one.name}"
        try:
            _refuse_name(one.asked, tuple(names), taken)
            meta = {**OURS, **place, "namespace": one.namespace, "kubernetes-service": one.name}
            at = list(_places(one, ready.get((one.namespace, one.name), ()), nodes))
        except _Refused as error:
            refused[own] = str(error)
        else:
            taken[one.asked] = own
            found += [Instance(one.asked, address, port, meta, good) for address, port, good in at]
    return found, refused


def _refuse_name(name: str, names: tuple[str, ...], taken: Mapping[str, str]) -> None:
    if not re.fullmatch(DNS_LABEL, name, re.ASCII):
        raise _Refused(f"{name!r} is no service name: use lower case letters, digits and '-'")
    if not any(fnmatchcase(name, allowed) for allowed in names):
        raise _Refused(f"{name} is none of the names that the datacenter's file gives to this cluster")
    if name in taken:
        raise _Refused(f"{name} is the name of {taken[name]}, which had it first")


def _places(
    service: Service, ready: Iterable[tuple[str, bool]], nodes: Mapping[str, str]
) -> Iterator[tuple[str, int, bool]]:
    """Yield the addresses and ports at which a Service is reached from outside, and whether it is ready."""
    port, node_port = _port(service)
    by_node: dict[str, bool] = {}
    for node, good in ready:
        by_node[node] = by_node.get(node, False) or good
    if service.external:
        yield from ((address, port, any(by_node.values())) for address in dict.fromkeys(service.external))
    elif node_port is None:
        raise _Refused("nothing outside the cluster reaches it: make its type NodePort or LoadBalancer")
    else:
        yield from ((nodes[node], node_port, good) for node, good in by_node.items() if node in nodes)


def _port(service: Service) -> tuple[int, int | None]:
    fitting = [one for one in service.ports if service.port in (None, one[0], str(one[1]))]
    if len(fitting) != 1:
        has = ", ".join(name or str(port) for name, port, _ in service.ports) or "none"
        raise _Refused(f"it is not clear which port is meant: write one of its own ({has}) as {PORT}")
    return fitting[0][1:]
