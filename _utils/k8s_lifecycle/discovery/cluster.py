"""What a cluster is to have in Consul and in its CoreDNS, and what it has; on one of its control planes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from k8s_lifecycle.cluster import lease, servers
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.discovery import catalogue, store
from k8s_lifecycle.discovery.agent import Agent
from k8s_lifecycle.discovery.catalogue import Cluster, Differences
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import corefile
from k8s_lifecycle.model.kubernetes_services import Endpoints, Service, endpoints, instances, service

CONFIGURATION = Path("/etc/k8s-elected.json")
LEASE = "k8s-lifecycle-discovery"
SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
COREFILE = "/api/v1/namespaces/kube-system/configmaps/coredns"
TIMEOUT = 3.0
_POLL = 1.0


@dataclass(frozen=True)
class Configuration:
    """What the datacenter's file and the cluster's spec say.

    server: this one. address: the cluster's endpoint. names: those that its Services may have in Consul.
    """

    server: str
    cluster: str
    environment: str
    address: str
    names: tuple[str, ...]
    pods_dns: bool

    @classmethod
    def read(cls, path: Path = CONFIGURATION) -> Configuration:
        """Return what the SLS has laid out."""
        told = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**told, "names": tuple(told["names"])})

    def text(self) -> str:
        """Return what the SLS lays out."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @property
    def node(self) -> Cluster:
        """Return the cluster as Consul has it."""
        return Cluster(self.cluster, self.address)


def writer() -> Agent:
    """Return Consul's agent on this server, with the token that writes for the cluster."""
    known = store.read()
    if known is None or known.cluster_token is None:
        raise HostError("this server may not write for its cluster yet: its highstate asks for the token")
    return Agent(known.cluster_token, timeout=TIMEOUT)


def compare(
    told: Configuration, api: Api, services: Iterable[Service], slices: Iterable[Endpoints]
) -> tuple[Differences, dict[str, str]]:
    """Return what is to be done in Consul, and why some Services are not to be there."""
    place = {"cluster": told.cluster, "environment": told.environment}
    wanted, refused = instances(services, slices, servers.shown(api), told.names, place)
    there = catalogue.found(Agent(timeout=TIMEOUT), told.node)
    return catalogue.differences(there, wanted), refused


def drift(timeout: float) -> dict[str, Any]:
    """Return who is elected, what is late, and what is left to people; wait for what is late."""
    told, api = Configuration.read(), Api.local()
    deadline = time.monotonic() + timeout
    late, left = _look(told, api)
    while late and time.monotonic() < deadline:
        time.sleep(_POLL)
        late, left = _look(told, api)
    holder = lease.claim(lease.find(api, LEASE))
    elected = holder.holder if holder and holder.seconds_left > 0 else None
    return {"elected": elected, "late": late, "left": left}


def _look(told: Configuration, api: Api) -> tuple[list[str], list[str]]:
    """Return what the elected one has not done yet, and what is left to people."""
    late, left = [], []
    text = _corefile(api)
    if text != corefile.wanted(text, told.pods_dns):
        late.append("CoreDNS' Corefile")
    if told.pods_dns and corefile.foreign(text):
        left.append(f"CoreDNS' Corefile has another server block for {corefile.ZONE}: remove it")
    if told.names:
        services = [kept for one in api.get(SERVICES)["items"] if (kept := service(one))]
        slices = [part for one in api.get(SLICES)["items"] if (part := endpoints(one))]
        todo, refused = compare(told, api, services, slices)
        late += [*(one.id for one in todo.write), *todo.remove]
        left += [f"Service {name} is not in Consul: {why}" for name, why in sorted(refused.items())]
    return late, left


def _corefile(api: Api) -> str:
    found = api.find(COREFILE) or {}
    return str((found.get("data") or {}).get("Corefile", ""))
