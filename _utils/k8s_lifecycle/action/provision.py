"""Provision: bare servers become the cluster that the spec asks for."""

from __future__ import annotations

from collections.abc import Collection

from k8s_lifecycle.action.observe import read_facts
from k8s_lifecycle.action.operation import Operation
from k8s_lifecycle.action.run import Run
from k8s_lifecycle.action.scheduler import Task
from k8s_lifecycle.action.steps import VERBS
from k8s_lifecycle.decision import provision as decision


def provision(only: Collection[str] | None = None) -> Operation:
    """Return the operation. only: the servers that it may change; None: all of the cluster."""

    def plan(run: Run) -> Task:
        facts = yield from read_facts(run)
        return decision.plan(run.spec, facts, run.assignments, only)

    return Operation(plan, VERBS)
