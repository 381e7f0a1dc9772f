"""Holds: who keeps a node out of service, why, since when and until when. A node has one at a time.

A hold is an annotation of the Node object, so that every master and every run sees it, and it comes and goes
in one write with the cordon. That it expires never opens a node: it only lets another run of the same
operation, or a person, take it over.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

ANNOTATION = "k8s-lifecycle/hold"
BY_HAND = "hold"
DRAIN = "drain"


class HeldError(Exception):
    """Somebody else has the hold of a node."""


@dataclass(frozen=True)
class Hold:
    """Who keeps a node out of service.

    operation: the one that took it; `hold` for a person's. run: the run that works under it; empty where
    none does any more, and it is kept until it is given back. since, until: times as in `moment`.
    was_cordoned: whether the node was cordoned before; it stays so when the hold is given back.
    """

    operation: str
    run: str
    who: str
    reason: str
    since: str
    until: str
    was_cordoned: bool = False

    @classmethod
    def read(cls, annotations: Mapping[str, str]) -> Hold | None:
        """Return the hold that a node's annotations tell of; one that is damaged belongs to nobody."""
        said = annotations.get(ANNOTATION)
        if said is None:
            return None
        try:
            found = cls(**json.loads(said))
            datetime.fromisoformat(found.until)
        except (ValueError, TypeError):
            return cls("?", "", "?", f"the annotation {ANNOTATION} is damaged: {said[:100]}", "?", "?", True)
        return found

    def to_annotation(self) -> str:
        """Return the value of the annotation."""
        return json.dumps(asdict(self), sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def expired(self, now: datetime) -> bool:
        """Whether it counted until some moment before now; a damaged one never says so."""
        return self.until != "?" and datetime.fromisoformat(self.until) < now

    def __str__(self) -> str:
        work = f"run {self.run}" if self.run else "no run any more"
        return f"{self.operation} by {self.who} since {self.since} until {self.until} ({work}): {self.reason}"


def moment(seconds: float = 0, now: datetime | None = None) -> str:
    """Return the time so many seconds from now, in UTC, as holds have it."""
    return ((now or datetime.now(UTC)) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def taken(found: Hold | None, wanted: Hold, now: datetime, dead: Collection[str] = ()) -> Hold:
    """Return the hold that a node gets; raise `HeldError` where another one must not be taken over.

    found: the node's. wanted: the new one, with `was_cordoned` as the node is. dead: runs that are known to
    have been cut off. The next run of the same operation goes on with what such a run, or one whose hold has
    expired, has left: what the node was before is remembered from then.
    """
    if found is None:
        return wanted
    if found.operation == wanted.operation and _open_to(found, wanted, now, dead):
        return replace(wanted, since=found.since, was_cordoned=found.was_cordoned)
    raise HeldError(f"held by {found}")


def may_release(found: Hold, now: datetime, dead: Collection[str] = ()) -> bool:
    """Whether a person may give a hold back: no run is at work under it."""
    return not found.run or found.run in dead or found.expired(now)


def _open_to(found: Hold, wanted: Hold, now: datetime, dead: Collection[str]) -> bool:
    kept_by_the_same = not found.run and found.who == wanted.who
    return found.run == wanted.run != "" or kept_by_the_same or found.expired(now) or found.run in dead
