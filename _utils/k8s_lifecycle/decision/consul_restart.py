"""Which Consul server may be restarted next: one at a time, while all others are well, the leader last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def refusals(looks: Mapping[str, Mapping[str, Any]], silent: Mapping[str, str]) -> list[str]:
    """Return why no Consul server may be restarted now. looks: by Consul server, of one datacenter.

    While one is missing, a restart of another may leave no majority.
    """
    said = [f"{server} could not be asked: {error}" for server, error in sorted(silent.items())]
    for server, look in sorted(looks.items()):
        if look["leader"] is None:
            said.append(f"{server} knows no leader")
        elif missing := sorted({*looks, *silent} - {*look["voters"]}):
            said.append(f"to {server}, {', '.join(missing)} is no voter")
        elif not look["healthy"]:
            said.append(f"to {server}, not all Consul servers are well")
    return said


def order(looks: Mapping[str, Mapping[str, Any]], everyone: bool) -> list[str]:
    """Return the servers to be restarted, the leader last. everyone: also those that need no restart."""
    due = [server for server, look in sorted(looks.items()) if everyone or look["due"]]
    leaders = {look["leader"] for look in looks.values()}
    return [*(one for one in due if one not in leaders), *(one for one in due if one in leaders)]
