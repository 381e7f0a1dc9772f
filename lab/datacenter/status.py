"""The state of the lab as a table: every server, every cut."""

from . import control_groups, network, server
from .layout import Layout, Server

_TITLES = ("SERVER", "STATE", "DATACENTER", "ENVIRONMENT", "ROLE", "POOL", "ADDRESS")


def table(layout: Layout) -> str:
    """Return one line per server and per cut, read from the machine now."""
    rows = [_TITLES, *(_row(each) for each in layout.servers.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, *(f"cut: {cut}" for cut in network.cuts(layout))])


def _row(each: Server) -> tuple[str, ...]:
    optional = (each.environment, each.role, each.pool)
    return (each.id, _condition(each), each.datacenter, *(value or "-" for value in optional), each.address)


def _condition(each: Server) -> str:
    if server.leader(each) is None:
        return "off"
    return "frozen" if control_groups.is_frozen(each.id) else "up"
