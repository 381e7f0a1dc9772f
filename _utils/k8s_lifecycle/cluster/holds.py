"""The holds of nodes in the API: taken and given back together with the cordon, as one compare-and-set."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime

from k8s_lifecycle.cluster import nodes
from k8s_lifecycle.cluster.api import Api, Json
from k8s_lifecycle.cluster.readiness import is_unreachable
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.hold import ANNOTATION, DRAIN, HeldError, Hold, may_release, moment, taken


def of(node: Json) -> Hold | None:
    """Return the hold of a Node object."""
    return Hold.read(node["metadata"].get("annotations", {}))


def take(api: Api, node: str, wanted: Hold, dead: Collection[str] = ()) -> Hold:
    """Take the hold of a node, or renew it, and cordon the node; raise `HeldError` if it is another's."""

    def change(found: Json) -> Json:
        before = found["spec"].get("unschedulable", False)
        hold = taken(of(found), replace(wanted, was_cordoned=before), datetime.now(UTC), dead)
        return _patch(hold, unschedulable=True)

    return _required(of(_changed(api, node, change)))


def keep(api: Api, node: str, run: str, seconds: float) -> bool:
    """Let a node stay held when a run is done with it; return whether the hold was that run's."""

    def change(found: Json) -> Json | None:
        hold = of(found)
        if hold is None or hold.run != run:
            return None
        return _patch(replace(hold, run="", until=moment(seconds)), unschedulable=True)

    hold = of(_changed(api, node, change))
    return hold is not None and hold.run == ""


def give_back(api: Api, run: str, only: Collection[str] | None = None) -> dict[str, list[str]]:
    """Give back the holds of a run, with the nodes as they were before.

    A node that cannot be reached stays held, by nobody's run: what still runs there is not known.
    """
    changed: list[str] = []
    left: list[str] = []
    for node in api.get(nodes.NODES)["items"]:
        name = node["metadata"]["name"]
        if _is_of(node, run) and (only is None or name in only):
            (left if is_unreachable(node) else changed).append(name)
            _changed(api, name, lambda found: _leaving(found) if _is_of(found, run) else None)
    return {"changed": changed, "left": left}


def release(api: Api, node: str, seen: Hold, dead: Collection[str] = (), *, force: bool = False) -> bool:
    """Give back, for a person, the hold that was seen; return whether the node still had one.

    The node is as it was before then. Raises `HeldError` where the hold is another one by now, or a run works
    under it, unless forced.
    """
    there = False

    def change(found: Json) -> Json | None:
        nonlocal there
        hold = of(found)
        if hold and (not _same(hold, seen) or not (force or may_release(hold, datetime.now(UTC), dead))):
            raise HeldError(f"held by {hold}")
        there = hold is not None
        return _opening(found) if hold else None

    _changed(api, node, change)
    return there


def uncordon(api: Api, node: str, seen: Hold | None, dead: Collection[str] = ()) -> bool:
    """Open a node that a drain has kept or that nobody holds, as was seen; return whether that changed it.

    Raises `HeldError` where the hold is another one by now, another operation's, or a run works under it.
    """
    closed = False

    def change(found: Json) -> Json | None:
        nonlocal closed
        hold = of(found)
        kept = hold is not None and hold.operation == DRAIN and may_release(hold, datetime.now(UTC), dead)
        if hold and not (kept and seen and _same(hold, seen)):
            raise HeldError(f"held by {hold}")
        closed = bool(hold or found["spec"].get("unschedulable"))
        return _patch(None, unschedulable=False) if closed else None

    _changed(api, node, change)
    return closed


def _same(hold: Hold, seen: Hold) -> bool:
    """Whether it is the hold that somebody saw: what is decided about one must not hit the next."""
    return (hold.operation, hold.run, hold.who, hold.since) == (
        seen.operation,
        seen.run,
        seen.who,
        seen.since,
    )


def _changed(api: Api, node: str, change: Callable[[Json], Json | None]) -> Json:
    """Change a node's hold, and return the node as it is then."""
    found, _ = nodes.change(api, node, "its hold was", change)
    return found


def _patch(hold: Hold | None, *, unschedulable: bool) -> Json:
    return {
        "metadata": {"annotations": {ANNOTATION: hold.to_annotation() if hold else None}},
        "spec": {"unschedulable": True if unschedulable else None},
    }


def _opening(found: Json) -> Json:
    """Return the patch that gives a node's hold back."""
    return _patch(None, unschedulable=_required(of(found)).was_cordoned)


def _leaving(found: Json) -> Json:
    """Return the patch with which a run leaves a node."""
    if is_unreachable(found):
        return _patch(replace(_required(of(found)), run=""), unschedulable=True)
    return _opening(found)


def _is_of(node: Json, run: str) -> bool:
    hold = of(node)
    return hold is not None and hold.run == run != ""


def _required(hold: Hold | None) -> Hold:
    if hold is None:
        raise HostError("the node has lost its hold: somebody took the annotation away; try again")
    return hold
