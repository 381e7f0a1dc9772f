"""A server's own addresses, the one it shows to its cluster first."""

from __future__ import annotations

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import network


def own(spec: Spec | None = None) -> list[str]:
    """Return the server's addresses, those of the interface with the default route first.

    spec: with it, without the cluster's virtual address and those of its inner networks.
    """
    interface = network.default_interface()
    links = sorted(network.links(), key=lambda link: link["ifname"] != interface)
    return (
        network.own_addresses(links, None, ())
        if spec is None
        else network.own_addresses(
            links, spec.control_plane.endpoint.address, (spec.networks.pods, spec.networks.services)
        )
    )


def shown(spec: Spec) -> str:
    """Return the address that this server shows to its cluster."""
    found = own(spec)
    if not found:
        raise HostError("this server has no address besides virtual and pod addresses: see `ip address`")
    return found[0]
