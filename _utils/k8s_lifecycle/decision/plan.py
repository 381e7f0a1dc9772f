"""A plan: ordered waves of steps, and what stands in its way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One verb on one server, with its reason. `how` holds what the verb needs beside the spec.

    A step for the cluster as a whole has the name of its lead control plane; any healthy one carries it out.
    after: the server whose steps in the waves that this one's wave runs beside come first.
    """

    verb: str
    server: str
    reason: str
    how: Mapping[str, Any] = field(default_factory=dict)
    after: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.server}"


@dataclass(frozen=True)
class Wave:
    """Steps that may run side by side: at most `window` at once.

    After more than `budget` failures nothing new is started; the waves behind it never start then.
    beside: the waves that it runs beside, where the first of these is there; a server that is in both
    needs a step that comes after.
    """

    name: str
    steps: tuple[Step, ...]
    window: int = 1
    budget: int = 0
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What an operation would do.

    refusals: why the whole operation must not run. blocked: servers that it leaves out, with the reason.
    notes: what the operator should know. partial: the outcome of these waves decides what comes next, so
    the operation observes and plans again after them.
    """

    cluster: str
    operation: str
    waves: tuple[Wave, ...] = ()
    refusals: tuple[str, ...] = ()
    blocked: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    partial: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in the order of their waves."""
        return tuple(step for wave in self.waves for step in wave.steps)

    @property
    def converged(self) -> bool:
        """Whether there is nothing to do and nothing in the way."""
        return not (self.waves or self.refusals or self.blocked)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data, for output and the journal."""
        beside = {wave.name for group in side_by_side(self.waves) for wave in group[1:]}
        return {
            "cluster": self.cluster,
            "operation": self.operation,
            "waves": [
                {
                    "wave": wave.name,
                    "at once": wave.window,
                    "beside": wave.name in beside,
                    "steps": [
                        {"verb": step.verb, "server": step.server, "reason": step.reason}
                        for step in wave.steps
                    ],
                }
                for wave in self.waves
            ],
            "refusals": list(self.refusals),
            "blocked": dict(self.blocked),
            "notes": list(self.notes),
            "partial": self.partial,
        }


def side_by_side(waves: Iterable[Wave]) -> list[list[Wave]]:
    """Return the waves in order, those that run beside each other together."""
    groups: list[list[Wave]] = []
    for wave in waves:
        if groups and groups[-1][0].name in wave.beside:
            groups[-1].append(wave)
        else:
            groups.append([wave])
    return groups


def waves(*candidates: Wave | Iterable[Wave]) -> tuple[Wave, ...]:
    """Return the waves that have steps, flattened, in order."""
    flat = (
        wave
        for candidate in candidates
        for wave in ((candidate,) if isinstance(candidate, Wave) else candidate)
    )
    return tuple(wave for wave in flat if wave.steps)
