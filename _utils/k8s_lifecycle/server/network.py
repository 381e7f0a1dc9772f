"""A server's own addresses, from what iproute2 prints as JSON."""

import json
from collections.abc import Collection, Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from k8s_lifecycle.server.command import output


def links() -> list[dict[str, Any]]:
    """Return the interfaces that carry an address valid outside this host."""
    return _json("ip", "-json", "address", "show", "scope", "global", "up")


def default_interface() -> str | None:
    """Return the interface of the default route, IPv4's before IPv6's."""
    routes = _json("ip", "-json", "-4", "route", "show", "default")
    routes = routes or _json("ip", "-json", "-6", "route", "show", "default")
    return min(routes, key=lambda route: route.get("metric", 0))["dev"] if routes else None


def own_addresses(links: list[dict[str, Any]], virtual: str | None, networks: Collection[str]) -> list[str]:
    """Return a server's addresses without those that are not its own.

    virtual: the virtual address of an endpoint, which moves; networks: the cluster's pod and service
    networks, of which bridges and tunnels on the server carry addresses.
    """
    moving = ip_address(virtual) if virtual else None
    inner = [ip_network(network) for network in networks]
    found = (ip_address(text) for text in _stable(links))
    return [
        str(address) for address in found if address != moving and not any(address in net for net in inner)
    ]


def _stable(links: list[dict[str, Any]]) -> Iterator[str]:
    for link in links:
        for info in link.get("addr_info", ()):
            if info.get("scope") == "global" and not info.get("temporary"):
                yield info["local"]


def _json(*words: str) -> list[dict[str, Any]]:
    text = output(*words).strip()
    # iproute2 prints an empty object per interface that its filter hides.
    return [entry for entry in json.loads(text or "[]") if entry]
