"""An operation: observe, decide, act, until the facts are what the spec asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from k8s_lifecycle.action import lock
from k8s_lifecycle.action.carry_out import Done, Verbs, carry_out
from k8s_lifecycle.action.run import Failure, Run
from k8s_lifecycle.action.scheduler import Scheduler, Task
from k8s_lifecycle.decision.plan import Plan

ROUNDS = 8


def _leave(run: Run) -> Task:
    """Leave everything as it is."""
    return
    yield


@dataclass(frozen=True)
class Operation:
    """What is special about an operation.

    plan: looks at the servers and the cluster, and decides; its outcome is a `Plan`. verbs: what carries out
    each step. leave: gives back what the run took and did not come to an end with. locks: whether it needs
    the cluster's lock; False where each of its steps is one compare-and-set.
    """

    plan: Callable[[Run], Task]
    verbs: Verbs
    leave: Callable[[Run], Task] = _leave
    locks: bool = True


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


def show(run: Run, operation: Operation) -> Plan:
    """Return the plan that `carry_through` would begin with; nothing is changed or locked."""
    plan: Plan = Scheduler(run.fleet).run(_plan(run, operation))
    return plan


def carry_through(run: Run, operation: Operation) -> Report:
    """Carry an operation through under the cluster's lock; a failure becomes part of the report."""
    report = Report(run.id, run.operation, Plan(run.spec.name, run.operation))
    run.tell("begins", holder=run.holder, cluster=run.spec.name)
    try:
        beside = [lock.keep(run), *(companion() for companion in run.companions)]
        Scheduler(run.fleet).run(_converge(run, operation, report), background=beside)
    except Failure as failure:
        report.failure = str(failure)
        report.locked_out = isinstance(failure, lock.HeldError)
        Scheduler(run.fleet).run(
            _given_back(run, operation, report)
        )  # the lock was lost: what was taken was not
    run.tell("ends", **report.to_dict())
    return report


def _converge(run: Run, operation: Operation, report: Report) -> Task:
    """Plan without the lock; if there is something to do: lock, plan again, act, until nothing is left."""
    report.plan = yield from _plan(run, operation)
    if not report.plan.waves:
        return
    if operation.locks:
        yield from lock.acquire(run)
    try:
        yield from _act(run, operation, report)
    except Failure as failure:
        report.failure = str(failure)
    yield from _given_back(run, operation, report)
    if operation.locks:
        yield from lock.release(run)


def _act(run: Run, operation: Operation, report: Report) -> Task:
    report.plan = yield from _plan(run, operation)
    for _ in range(ROUNDS):
        if not report.plan.waves:
            return
        done = yield from carry_out(run, report.plan, operation.verbs)
        report.steps += done
        if any(result.failure for result in done):
            return
        told = report.plan.notes  # what it told of before a step was done is not seen any more after it
        plan = yield from _plan(run, operation)
        report.plan = replace(plan, notes=tuple(dict.fromkeys((*told, *plan.notes))))
    report.failure = f"still not converged after {ROUNDS} rounds; the steps left are in `k8s.plan`"


def _given_back(run: Run, operation: Operation, report: Report) -> Task:
    """Leave the cluster tidy; where that fails, the report says it beside what went wrong before."""
    try:
        yield from operation.leave(run)
    except Failure as failure:
        report.failure = "; ".join(filter(None, [report.failure, str(failure)]))


def _plan(run: Run, operation: Operation) -> Task:
    plan = yield from operation.plan(run)
    run.tell("planned", plan=plan.to_dict())
    return plan
