"""A server's own addresses, the one it shows to its cluster first."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import network


def own(virtual: str | None = None, inner: Collection[str] = ()) -> list[str]:
    """Return the server's addresses, those of the interface with the default route first.

    virtual: an endpoint's address, which is no server's own. inner: a cluster's pod and service networks.
    """
    interface = network.default_interface()
    links = sorted(network.links(), key=lambda link: bool(link["ifname"] != interface))
    return network.own_addresses(links, virtual, inner)


def outside(spec: Spec, addresses: Sequence[str]) -> list[str]:
    """Return addresses of a server without the cluster's virtual address and those of its inner networks."""
    links = [{"addr_info": [{"local": address, "scope": "global"} for address in addresses]}]
    inner = (spec.networks.pods, spec.networks.services)
    return network.own_addresses(links, spec.control_plane.endpoint.address, inner)


def shown(spec: Spec) -> str:
    """Return the address that this server shows to its cluster."""
    found = outside(spec, own())
    if not found:
        raise HostError("this server has no address besides virtual and pod addresses: see `ip address`")
    return found[0]
