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
    was_cordoned: whether the node was cordoned before; it stays so when the hold is given back. volumes:
    the PersistentVolumes of pods that were to leave the node, which are to be detached from it.
    """

    operation: str
    run: str
    who: str
    reason: str
    since: str
    until: str
    was_cordoned: bool = False
    volumes: tuple[str, ...] = ()

    @classmethod
    def read(cls, annotations: Mapping[str, str]) -> Hold | None:
        """Return the hold that a node's annotations tell of; one that is damaged belongs to nobody."""
        said = annotations.get(ANNOTATION)
        if said is None:
            return None
        damaged = f"the annotation {ANNOTATION} is damaged: {said[:100]}"
        try:
            found = cls.from_dict(json.loads(said))
            zones = [datetime.fromisoformat(time).tzinfo for time in (found.since, found.until)]
        except (ValueError, TypeError, AttributeError):
            zones = [None]
        return cls("?", "", "?", damaged, "?", "?", was_cordoned=True) if None in zones else found

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Hold:
        """Return the hold that `to_dict` told of."""
        return cls(**{**said, "volumes": tuple(said.get("volumes", ()))})

    def to_annotation(self) -> str:
        """Return the value of the annotation."""
        return json.dumps(self.to_dict(), sort_keys=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "volumes": list(self.volumes)}

    def expired(self, now: datetime) -> bool:
        """Whether it counted until some moment before now; a damaged one never says so."""
        return self.until != "?" and datetime.fromisoformat(self.until) < now

    def __str__(self) -> str:
        ended = "" if self.operation == BY_HAND else " (no run any more)"
        work = f" (run {self.run})" if self.run else ended
        return f"{self.operation} by {self.who} since {self.since} until {self.until}{work}: {self.reason}"


def moment(seconds: float = 0, now: datetime | None = None) -> str:
    """Return the time so many seconds from now, in UTC, as holds have it."""
    return ((now or datetime.now(UTC)) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def taken(found: Hold | None, wanted: Hold, now: datetime, dead: Collection[str] = ()) -> Hold:
    """Return the hold that a node gets; raise `HeldError` where another one must not be taken over.

    found: the node's. wanted: the new one, with `was_cordoned` as the node is. dead: runs that are known to
    have been cut off. The next run of the same operation goes on with what such a run, or one whose hold has
    expired, has left: what the node was before is remembered from then, unless somebody has opened it since.
    """
    if found is None:
        return wanted
    opened = not wanted.was_cordoned  # by somebody behind its back: a hold and the cordon are one write
    free = _open_to(found, wanted, now, dead) or (opened and not found.run)
    if found.operation != wanted.operation or not free:
        raise HeldError(f"held by {found}")
    if opened:
        return wanted
    volumes = tuple(dict.fromkeys((*found.volumes, *wanted.volumes)))
    return replace(wanted, since=found.since, was_cordoned=found.was_cordoned, volumes=volumes)


def keeps(found: Hold | None, *, cordoned: bool, operation: str, now: datetime) -> bool:
    """Whether a node is kept out of service by an operation that is done with it."""
    kept = found is not None and found.operation == operation and not found.run and not found.expired(now)
    return kept and cordoned


def may_release(found: Hold, now: datetime, dead: Collection[str] = ()) -> bool:
    """Whether a person may give a hold back: no run is at work under it."""
    return not found.run or found.run in dead or found.expired(now)


def _open_to(found: Hold, wanted: Hold, now: datetime, dead: Collection[str]) -> bool:
    kept_by_the_same = not found.run and found.who == wanted.who
    return found.run == wanted.run != "" or kept_by_the_same or found.expired(now) or found.run in dead
