"""The fleet port: how an operation calls functions on servers.

Two implementations: Salt's bus (`salt_fleet`), and simulated servers on a virtual clock (tests/simulation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol


class Outcome(Enum):
    """What became of a call. MISSING is silence: it says nothing about what the server did."""

    OK = "ok"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True)
class Call:
    """One function on one server. timeout: seconds until its answer is given up."""

    server: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 60


@dataclass(frozen=True)
class Answer:
    """What a server answered to a call; `error` says why there is no value."""

    server: str
    outcome: Outcome
    value: Any = None
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return self.outcome is Outcome.OK


Ticket = int


class Fleet(Protocol):
    """What an operation needs of the servers: a clock, who is there, and calls that answer later."""

    def now(self) -> float:
        """Return monotonic seconds."""

    def known(self) -> frozenset[str]:
        """Return the ids of all servers that may be called."""

    def start(self, calls: Sequence[Call]) -> list[Ticket]:
        """Start calls, equal ones as one job, and return a ticket for each."""

    def next(self, deadline: float) -> tuple[Ticket, Answer] | None:
        """Wait for the next answer, at most until `deadline`; None when there was none."""
