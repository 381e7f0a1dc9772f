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


def has_address(interface: str, address: str) -> bool:
    """Whether an interface has an address, which is written with the length of its prefix."""
    found = (
        info for link in _json("ip", "-json", "address", "show", "dev", interface) for info in _infos(link)
    )
    return address in {f"{info['local']}/{info['prefixlen']}" for info in found}


def add_address(interface: str, address: str) -> None:
    """Give an interface an address that is valid on its link only."""
    output("ip", "address", "replace", address, "dev", interface, "scope", "link")


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
        for info in _infos(link):
            if info.get("scope") == "global" and not info.get("temporary"):
                yield info["local"]


def _infos(link: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = link.get("addr_info", [])
    return found


def _json(*words: str) -> list[dict[str, Any]]:
    text = output(*words).strip()
    # iproute2 prints an empty object per interface that its filter hides.
    return [entry for entry in json.loads(text or "[]") if entry]
