"""What this server remembers of asking to join its cluster.

It asks until it is told that it has joined. That it asks survives a reboot, which may have cut a join off.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from k8s_lifecycle.server import durable

FIRST_PAUSE = 60
LONGEST_PAUSE = 900


def pause(times: int) -> float:
    """Return for how many seconds a server rests that has asked so many times: pauses double."""
    return float(min(FIRST_PAUSE * 2 ** (times - 1), LONGEST_PAUSE))


class Asking:
    """The ask of one server, kept in a directory."""

    def __init__(self, directory: Path) -> None:
        self._asked = directory / "join-asked.json"
        self._answered = directory / "join-answered.json"

    @property
    def asks(self) -> bool:
        """Whether this server has asked and was not told yet that it has joined."""
        return self._asked.exists()

    @property
    def due(self) -> bool:
        """Whether it is time to ask: at once, then after pauses that double."""
        asked = _read(self._asked)
        if asked is None:
            return True
        passed = time.time() - asked["at"]
        return bool(passed >= pause(asked["times"]) or passed < 0)  # or the clock was set back

    @property
    def answer(self) -> dict[str, Any] | None:
        """What the master answered since this server last asked: outcome, reason, and `failed`."""
        asked, answered = _read(self._asked), _read(self._answered)
        return answered if asked and answered and answered["at"] >= asked["at"] else None

    def note_ask(self) -> None:
        """Remember that this server asks now."""
        times = (_read(self._asked) or {"times": 0})["times"]
        durable.write(self._asked, json.dumps({"times": times + 1, "at": time.time()}))

    def note_answer(self, outcome: str, reason: str) -> None:
        """Keep what the master answers, and what it last said of a join that failed."""
        failed = reason if outcome == "failed" else (_read(self._answered) or {"failed": ""})["failed"]
        kept = {"outcome": outcome, "reason": reason, "failed": failed, "at": time.time()}
        durable.write(self._answered, json.dumps(kept))

    def forget(self) -> None:
        """Stop asking."""
        self._asked.unlink(missing_ok=True)
        self._answered.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return said
