"""An operation: observe, decide, act, until the facts are what the spec asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from k8s_lifecycle.action import lock
from k8s_lifecycle.action.carry_out import Done, carry_out
from k8s_lifecycle.action.observe import read_facts
from k8s_lifecycle.action.run import Failure, Run
from k8s_lifecycle.action.scheduler import Scheduler, Task
from k8s_lifecycle.action.steps import VERBS
from k8s_lifecycle.decision.plan import Plan
from k8s_lifecycle.model.facts import Facts

ROUNDS = 8

Decide = Callable[[Facts], Plan]


@dataclass
class Report:
    """What a run did, and what it leaves undone. locked_out: it never began, another run has the lock."""

    run: str
    operation: str
    plan: Plan
    steps: list[Done] = field(default_factory=list)
    failure: str = ""
    locked_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether the operation reached what the spec asks for."""
        failed = any(done.failure for done in self.steps)
        return not (failed or self.failure or self.plan.refusals or self.plan.blocked or self.plan.waves)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "run": self.run,
            "cluster": self.plan.cluster,
            "operation": self.operation,
            "ok": self.ok,
            "steps": [done.to_dict() for done in self.steps],
            "refusals": list(self.plan.refusals),
            "blocked": dict(self.plan.blocked),
            "notes": list(self.plan.notes),
            "failure": self.failure,
        }


def show(run: Run, decide: Decide) -> Plan:
    """Return the plan that `carry_through` would begin with; nothing is changed or locked."""
    plan: Plan = Scheduler(run.fleet).run(_plan(run, decide))
    return plan


def carry_through(run: Run, decide: Decide) -> Report:
    """Carry an operation through under the cluster's lock; a failure becomes part of the report."""
    report = Report(run.id, run.operation, Plan(run.spec.name, run.operation))
    run.tell("begins", holder=run.holder, cluster=run.spec.name)
    try:
        beside = [lock.keep(run), *(companion() for companion in run.companions)]
        Scheduler(run.fleet).run(_converge(run, decide, report), background=beside)
    except Failure as failure:
        report.failure = str(failure)
        report.locked_out = isinstance(failure, lock.HeldError)
    run.tell("ends", **report.to_dict())
    return report


def _converge(run: Run, decide: Decide, report: Report) -> Task:
    """Plan without the lock; if there is something to do: lock, plan again, act, until nothing is left."""
    report.plan = yield from _plan(run, decide)
    if not report.plan.waves:
        return
    yield from lock.acquire(run)
    report.plan = yield from _plan(run, decide)
    for _ in range(ROUNDS):
        if not report.plan.waves:
            break
        done = yield from carry_out(run, report.plan, VERBS)
        report.steps += done
        if any(result.failure for result in done):
            break
        report.plan = yield from _plan(run, decide)
    else:
        report.failure = f"still not converged after {ROUNDS} rounds; the steps left are in `k8s.plan`"
    yield from lock.release(run)


def _plan(run: Run, decide: Decide) -> Task:
    plan = decide((yield from read_facts(run)))
    run.tell("planned", plan=plan.to_dict())
    return plan
