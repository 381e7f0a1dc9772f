"""The fabric: one network namespace with a bridge per datacenter, itself the router between them.

Nothing in it leads outside. Cuts are nftables rules of the lab's own. A frame is marked with its sender
where it enters a bridge, and dropped where it would leave towards the other side, so one rule serves two
servers on one bridge, in two datacenters, and behind a virtual address alike.
"""

import ipaddress
import itertools
import json
import os

from .command import run
from .errors import LabError
from .layout import Layout, Server
from .paths import LAB_NAME, NETWORK_NAMESPACE

_RULES = f"""
table bridge {LAB_NAME} {{
    map senders {{ type ifname : mark; }}
    set cut_servers {{ type mark . ifname; }}
    chain enter {{
        type filter hook prerouting priority -300; policy accept;
        meta mark set iifname map @senders
    }}
    chain leave {{
        type filter hook postrouting priority 300; policy accept;
        meta mark . oifname @cut_servers drop
    }}
}}
table inet {LAB_NAME} {{
    set cut_networks {{ type ifname . ifname; }}
    chain forward {{
        type filter hook forward priority 0; policy accept;
        iifname . oifname @cut_networks drop
    }}
}}
"""


# Family of the table, name of the set.
_CUTS = {"bridge": "cut_servers", "inet": "cut_networks"}


def exists() -> bool:
    """Say whether the namespace is there; a file that survived a reboot of the machine is not one."""
    # Path.is_mount knows directories only.
    return os.path.ismount(NETWORK_NAMESPACE)


def enter() -> list[str]:
    """Return the words to put before a command that shall run in the fabric.

    Not `ip netns exec`: it mounts a fresh /sys over the control groups.
    """
    if not exists():
        raise LabError("the lab's network is gone; make it again: lab/dc up LAYOUT")
    return ["nsenter", f"--net={NETWORK_NAMESPACE}", "--"]


def ensure(layout: Layout) -> None:
    """Make the namespace, its bridges and its rules, whatever of it is missing."""
    if not exists():
        run("ip", "netns", "add", LAB_NAME)
    _ip("link", "set", "lo", "up")
    run(*enter(), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    present = _links()
    for bridge, network in layout.networks.items():
        if bridge not in present:
            _ip("link", "add", bridge, "type", "bridge", "forward_delay", "0")
        _ip("address", "replace", f"{network[1]}/{network.prefixlen}", "dev", bridge)
        _ip("link", "set", bridge, "up")
    if LAB_NAME not in _nft("list tables"):
        _nft(_RULES)


def register(server: Server) -> None:
    """Let the rules know a server's frames by the port they come from."""
    _nft(f"add element bridge {LAB_NAME} senders {{ {port(server)} : {_mark(server)} }}")


def port(server: Server) -> str:
    """Name the server's end on the bridge, as systemd-nspawn names it."""
    return f"vb-{server.id}"


def cut(layout: Layout, one: str, other: str) -> None:
    """Drop all traffic between two servers, two datacenters, or a server and a datacenter."""
    if one == other:
        raise LabError(f"cannot cut {one} from itself")
    if one in layout.networks and other in layout.networks:
        _nft(f"add element inet {LAB_NAME} cut_networks {{ {one} . {other}, {other} . {one} }}")
        return
    pairs = itertools.product(_side(layout, one), _side(layout, other))
    elements = [_cut_element(*ends) for pair in pairs for ends in (pair, pair[::-1])]
    _nft(f"add element bridge {LAB_NAME} cut_servers {{ {', '.join(elements)} }}")


def heal() -> None:
    """Undo every cut."""
    for family, cuts in _CUTS.items():
        _nft(f"flush set {family} {LAB_NAME} {cuts}")


def cuts(layout: Layout) -> list[str]:
    """Describe the cuts in force, as who no longer hears whom."""
    if not exists():
        return []
    names = {str(_mark(server)): server.id for server in layout.servers.values()}
    names.update({port(server): server.id for server in layout.servers.values()})
    found = []
    for family, cut_set in _CUTS.items():
        listed = json.loads(run(*enter(), "nft", "--json", "list", "set", family, LAB_NAME, cut_set))
        described = next(item["set"] for item in listed["nftables"] if "set" in item)
        for element in described.get("elem", []):
            sender, receiver = (names.get(str(end), str(end)) for end in element["concat"])
            found.append(f"{receiver} does not hear {sender}")
    return sorted(found)


def remove() -> None:
    """Delete the namespace; every link, address and rule in it goes with it."""
    if exists():
        run("ip", "netns", "delete", LAB_NAME)
    NETWORK_NAMESPACE.unlink(missing_ok=True)


def _side(layout: Layout, name: str) -> list[Server]:
    if name in layout.servers:
        return [layout.servers[name]]
    members = [server for server in layout.servers.values() if server.datacenter == name]
    if not members:
        known = ", ".join([*layout.networks, *layout.servers])
        raise LabError(f"{name} is no server and no datacenter of this lab; known are {known}")
    return members


def _cut_element(sender: Server, receiver: Server) -> str:
    return f"{_mark(sender)} . {port(receiver)}"


def _mark(server: Server) -> int:
    return int(ipaddress.IPv4Address(server.address))


def _links() -> set[str]:
    return {line.split()[0].split("@")[0] for line in _ip("-brief", "link").splitlines()}


def _ip(*words: str) -> str:
    return run("ip", "-netns", LAB_NAME, *words)


def _nft(commands: str) -> str:
    return run(*enter(), "nft", commands)
