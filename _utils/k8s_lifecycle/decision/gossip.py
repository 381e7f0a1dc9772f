"""The next step of a change of the gossip key: install it everywhere, then use it, then remove the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def refusals(looks: Mapping[str, Mapping[str, Any]], silent: Mapping[str, str]) -> list[str]:
    """Return why the key must not be changed now. looks: by Consul server, of all datacenters.

    Who does not hear of the new key is left with one that nobody uses any more.
    """
    said = [f"{server} could not be asked: {error}" for server, error in sorted(silent.items())]
    if len({look["key"] for look in looks.values()}) > 1:
        said.append(
            "the Consul servers have different keys in their pillars: write the new one for all of them, and "
            "refresh their pillars"
        )
    gone = sorted({member for look in looks.values() for member in look["gone"]})
    if gone:
        said.append(
            f"{', '.join(gone)} would not get the new key: start them, or forget them (k8s.deregister)"
        )
    return said


def step(looks: Mapping[str, Mapping[str, Any]]) -> str:
    """Return `install`, `use`, `remove`, or nothing when every member uses this key and knows no other."""
    every = looks.values()
    if any(look["have"] < look["members"] or look["wan"] == "none" for look in every):
        return "install"
    if any(look["use"] < look["members"] or look["wan"] != "uses" for look in every):
        return "use"
    return "remove" if any(look["others"] for look in every) else ""
