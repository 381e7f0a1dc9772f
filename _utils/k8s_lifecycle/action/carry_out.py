"""Carry a plan out: its waves in order, each in its window, within its error budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from k8s_lifecycle.action.run import Failure, Run
from k8s_lifecycle.action.scheduler import AllOf, Task
from k8s_lifecycle.decision.plan import Plan, Step, Wave

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
    for number, wave in enumerate(plan.waves, 1):
        run.tell("wave", wave=wave.name, number=number, of=len(plan.waves), steps=len(wave.steps))
        if not (yield from _wave(run, wave, verbs, done)):
            break
    return done


def _wave(run: Run, wave: Wave, verbs: Verbs, done: list[Done]) -> Task:
    """Run one wave; return whether the next one may start."""
    broken = {result.step.server for result in done if result.failure}
    before = len(done)

    def within_budget() -> bool:
        failed = [result for result in done[before:] if result.failure]
        critical = [result for result in failed if result.step.server in run.spec.control_plane.servers]
        return not critical and len(failed) <= wave.budget

    tasks = [partial(_step, run, step, verbs, done) for step in wave.steps if step.server not in broken]
    outcomes = yield AllOf(tasks, wave.window, go_on=within_budget)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return within_budget()


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
