"""Carry a plan out: its waves in order, each in its window, within its error budget."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from k8s_lifecycle.action.run import Failure, Run
from k8s_lifecycle.action.scheduler import AllOf, Task
from k8s_lifecycle.decision.plan import Plan, Step, Wave, side_by_side

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
        go_on = partial(_within_budget, run, waves, done)
        for wave in waves:
            run.tell("wave", wave=wave.name, number=next(numbers), of=len(plan.waves), steps=len(wave.steps))
        outcomes = yield AllOf([partial(_wave, run, wave, verbs, done, go_on) for wave in waves], len(waves))
        _raise_first(outcomes)
        if not go_on():
            break
    return done


def _within_budget(run: Run, waves: Sequence[Wave], done: Sequence[Done]) -> bool:
    failed = [result.step for result in done if result.failure]
    return not any(step.server in run.spec.control_plane.servers for step in failed) and all(
        sum(step in wave.steps for step in failed) <= wave.budget for wave in waves
    )


def _wave(run: Run, wave: Wave, verbs: Verbs, done: list[Done], go_on: Callable[[], bool]) -> Task:
    broken = {result.step.server for result in done if result.failure}
    tasks = [partial(_step, run, step, verbs, done) for step in wave.steps if step.server not in broken]
    _raise_first((yield AllOf(tasks, wave.window, go_on)))


def _raise_first(outcomes: Sequence[Any]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _step(run: Run, step: Step, verbs: Verbs, done: list[Done]) -> Task:
    began = run.fleet.now()
    run.tell("starts", step=str(step), verb=step.verb, server=step.server, reason=step.reason)
    try:
        detail = yield from verbs[step.verb](run, step)
        result = Done(step, run.fleet.now() - began, detail or "")
    except Failure as failure:
        result = Done(step, run.fleet.now() - began, failure=failure)
    done.append(result)
    run.tell("failed" if result.failure else "done", step=str(step), **result.to_dict())
