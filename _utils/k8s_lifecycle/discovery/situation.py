"""What this server is to Consul, from its pillar: its datacenter, its address, what it registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import consul, secrets
from k8s_lifecycle.model.consul import Membership
from k8s_lifecycle.model.datacenter import Datacenter
from k8s_lifecycle.model.datacenters import Place
from k8s_lifecycle.model.secrets import ConsulSecrets
from k8s_lifecycle.server import addresses


@dataclass(frozen=True)
class Situation:
    """A server of a datacenter with Consul. secrets: those of the site, on a Consul server only."""

    place: Place
    server: str
    membership: Membership | None
    virtual: str | None
    inner: tuple[str, ...]
    secrets: ConsulSecrets | None

    @property
    def datacenter(self) -> Datacenter:
        """Return the datacenter."""
        return self.place.datacenter

    @property
    def services(self) -> list[str]:
        """Return the names of the services that it registers."""
        return consul.service_names(self.datacenter, self.server, self.membership)

    @property
    def cluster(self) -> str | None:
        """Return the cluster whose Services it may write into the catalogue."""
        return consul.writes_for(self.datacenter, self.membership)

    def address(self) -> str:
        """Return the address that it shows to the others: a Consul server's is in the spec."""
        named = self.datacenter.consul.servers.get(self.server) if self.datacenter.consul else None
        if named:
            return named
        found = addresses.own(self.virtual, self.inner)
        if not found:
            raise HostError("this server has no address that others could reach: see `ip address`")
        return found[0]


def situation(assignment: Mapping[str, Any], pillar: Mapping[str, Any], server: str) -> Situation:
    """Return the situation of a server. assignment: the pillar `k8s_datacenter`; pillar: all of it.

    Raises InvalidSpecError if the secrets of a Consul server are missing or no such secrets.
    """
    place = Place.from_dict(assignment)
    wanted = place.datacenter.consul
    if wanted is None:
        raise HostError(f"{place.datacenter.name}.yaml has no `consul`")
    own = secrets.consul(pillar) if server in wanted.servers else None
    cluster = pillar.get("k8s") or {}
    spec = cluster.get("spec")
    return Situation(
        place,
        server,
        membership(cluster),
        spec["control_plane"]["endpoint"]["address"] if spec else None,
        (spec["networks"]["pods"], spec["networks"]["services"]) if spec else (),
        own,
    )


def membership(cluster: Mapping[str, Any]) -> Membership | None:
    """Return a server's place in a cluster, from its pillar `k8s`."""
    if "spec" not in cluster:
        return None
    environment = cluster["spec"]["environment"]
    return Membership(cluster["cluster"], environment, cluster["role"], cluster["pool"])
