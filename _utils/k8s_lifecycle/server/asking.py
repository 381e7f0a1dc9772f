"""What this server remembers of asking to join its cluster.

It asks until it is told that it has joined. That it asks survives a reboot, which may have cut a join off.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from k8s_lifecycle.server import durable

ASKED = Path("/var/lib/k8s-lifecycle/join-asked.json")
ANSWERED = Path("/run/k8s-lifecycle/join-answered.json")

FIRST_PAUSE = 60
LONGEST_PAUSE = 900


def asks() -> bool:
    """Whether this server has asked and was not told yet that it has joined."""
    return ASKED.exists()


def due() -> bool:
    """Whether it is time to ask: at once, then after pauses that double."""
    asked = _read(ASKED)
    if asked is None:
        return True
    pause = min(FIRST_PAUSE * 2 ** (asked["times"] - 1), LONGEST_PAUSE)
    passed = time.time() - asked["at"]
    return bool(passed >= pause or passed < 0)  # or the clock was set back


def note_ask() -> None:
    """Remember that this server asks now."""
    times = (_read(ASKED) or {"times": 0})["times"]
    durable.write(ASKED, json.dumps({"times": times + 1, "at": time.time()}))


def note_answer(outcome: str, reason: str) -> None:
    """Keep what the master answers, and what it last said of a join that failed."""
    failed = reason if outcome == "failed" else (_read(ANSWERED) or {"failed": ""})["failed"]
    kept = {"outcome": outcome, "reason": reason, "failed": failed, "at": time.time()}
    durable.write(ANSWERED, json.dumps(kept))


def answer() -> dict[str, Any] | None:
    """Return what the master answered since this server last asked: outcome, reason, and `failed`."""
    asked, answered = _read(ASKED), _read(ANSWERED)
    return answered if asked and answered and answered["at"] >= asked["at"] else None


def forget() -> None:
    """Stop asking."""
    ASKED.unlink(missing_ok=True)
    ANSWERED.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return said
