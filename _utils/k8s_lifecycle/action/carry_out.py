"""Carry a plan out: its waves in order, each in its window, within its error budget."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from k8s_lifecycle.action.run import Failure, Run
from k8s_lifecycle.action.scheduler import AllOf, Sleep, Task
from k8s_lifecycle.decision.plan import Plan, Step, Wave, side_by_side

# How often a step looks whether the one that it comes after has ended.
POLL = 0.5

Verbs = Mapping[str, Callable[[Run, Step], Task]]


@dataclass(frozen=True)
class Done:
    """What became of one step."""

    step: Step
    seconds: float
    detail: str = ""
    failure: Failure | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, for output and the journal."""
        said = {"verb": self.step.verb, "server": self.step.server, "seconds": round(self.seconds, 1)}
        return said | ({"failed": str(self.failure)} if self.failure else {"detail": self.detail})


def carry_out(run: Run, plan: Plan, verbs: Verbs) -> Task:
    """Carry out every wave of a plan; return what became of each step that was started.

    A server whose step failed is left alone from there on. When a wave fails beyond its budget, or a
    control plane fails at all, what is in flight is finished and nothing new is started.
    """
    done: list[Done] = []
    numbers = itertools.count(1)
    for waves in side_by_side(plan.waves):
        for wave in waves:
            run.tell("wave", wave=wave.name, number=next(numbers), of=len(plan.waves), steps=len(wave.steps))
        group = _Group(run, waves, verbs, done)
        yield from group.carry_out()
        if not group.within_budget():
            break
    return done


@dataclass(frozen=True)
class _Group:
    """Waves that run side by side, and what became of all steps until now."""

    run: Run
    waves: Sequence[Wave]
    verbs: Verbs
    done: list[Done]

    def carry_out(self) -> Task:
        tasks = [partial(self._wave, place) for place in range(len(self.waves))]
        _raise_first((yield AllOf(tasks, len(tasks))))

    def within_budget(self) -> bool:
        failed = [result.step for result in self.done if result.failure]
        return not any(step.server in self.run.spec.control_plane.servers for step in failed) and all(
            sum(step in wave.steps for step in failed) <= wave.budget for wave in self.waves
        )

    def _wave(self, place: int) -> Task:
        earlier = [step for wave in self.waves[:place] for step in wave.steps]
        wave = self.waves[place]
        tasks = [
            partial(self._in_turn, step, [other for other in earlier if other.server == step.after])
            for step in wave.steps
        ]
        _raise_first((yield AllOf(tasks, wave.window, self.within_budget)))

    def _in_turn(self, step: Step, first: Sequence[Step]) -> Task:
        """Run a step once those have ended that come first, unless its server's failed or the run stops."""
        while not self._ended(first) and self.within_budget():
            yield Sleep(POLL)
        if not self._broken(step) and self.within_budget():
            yield from self._step(step)

    def _ended(self, steps: Sequence[Step]) -> bool:
        """Whether each of these was carried out, or never will be."""
        return all(self._broken(step) or any(result.step is step for result in self.done) for step in steps)

    def _broken(self, step: Step) -> bool:
        return any(result.failure and result.step.server == step.server for result in self.done)

    def _step(self, step: Step) -> Task:
        run, began = self.run, self.run.fleet.now()
        run.tell("starts", step=str(step), verb=step.verb, server=step.server, reason=step.reason)
        run.under_way.append(step)
        try:
            detail = yield from self.verbs[step.verb](run, step)
            result = Done(step, run.fleet.now() - began, detail or "")
        except Failure as failure:
            result = Done(step, run.fleet.now() - began, failure=failure)
        finally:
            run.under_way.remove(step)
        self.done.append(result)
        run.tell("failed" if result.failure else "done", step=str(step), **result.to_dict())


def _raise_first(outcomes: Sequence[Any]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
