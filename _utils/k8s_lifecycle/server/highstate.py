"""The last highstate of this server: when it ran, and what came of it.

Salt keeps that nowhere on a minion: its job cache has running jobs only, `cache_jobs` is off, and what
`state.highstate` leaves in the cache directory are the states that were to run, not what became of them. The
master has the returns of a day, of the jobs that came through it. So the state tree notes it, by a first and
a last state of its own (`_states/k8s_highstate.py`): one small file, the same for every reader.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from k8s_lifecycle.server import durable

SHOWN = 5


def file(opts: Mapping[str, Any]) -> Path:
    """Return where it is noted, by the minion's configuration."""
    return Path(opts["root_dir"], "var/lib/k8s-lifecycle/highstate.json")


def last(path: Path) -> dict[str, Any] | None:
    """Return what is noted; None where nothing is.

    began, ended: of the last one that came to its end, seconds since the epoch; None before there was one.
    states, failures: how many of its states ran, and failed. failed: the ids of the first that did.
    unfinished: when a later one began that has not come to its end: it runs, or was cut off; otherwise None.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # a torn one is none
        return None
    return {**_NONE, **said} if isinstance(said, dict) else None


def note_begun(path: Path, now: float) -> None:
    """Note that a highstate begins."""
    durable.write(path, json.dumps({**(last(path) or _NONE), "unfinished": now}), mode=0o644)


def note_ended(path: Path, now: float, states: int, failed: Sequence[str]) -> None:
    """Note that a highstate has come to its end. states: how many ran. failed: the ids of those that did."""
    note = {
        "began": (last(path) or _NONE)["unfinished"],
        "ended": now,
        "states": states,
        "failures": len(failed),
        "failed": list(failed[:SHOWN]),
        "unfinished": None,
    }
    durable.write(path, json.dumps(note), mode=0o644)


_NONE: dict[str, Any] = {
    "began": None,
    "ended": None,
    "states": 0,
    "failures": 0,
    "failed": [],
    "unfinished": None,
}
