"""Drain: nodes are emptied of their pods, and kept out of service until somebody uncordons them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from k8s_lifecycle.action import holding
from k8s_lifecycle.action.carry_out import Verbs
from k8s_lifecycle.action.observe import read_facts
from k8s_lifecycle.action.operation import Operation
from k8s_lifecycle.action.run import RUN_AGAIN, Failure, Run, through_control_plane
from k8s_lifecycle.action.scheduler import Sleep, Task
from k8s_lifecycle.decision import drain as decision
from k8s_lifecycle.decision.plan import Step
from k8s_lifecycle.model.eviction import Options
from k8s_lifecycle.model.hold import DRAIN, Hold, moment

ROUND = 10.0
PAUSE = 3.0
LOOK = 60.0
SLACK = 120.0  # for how much longer than a drain its hold counts


@dataclass(frozen=True)
class Drain:
    """What to drain, and how. timeout: seconds for each node; keep: seconds for which it is kept then."""

    servers: tuple[str, ...]
    reason: str
    timeout: float
    keep: float
    options: Options = field(default_factory=Options)


def drain(wanted: Drain) -> Operation:
    """Return the operation: hold and cordon all the nodes, empty each, keep it held."""
    done: set[str] = set()

    def drained(run: Run, step: Step) -> Task:
        skipped = yield from empty(wanted, run, step)
        yield from holding.keep(run, step, wanted.keep)
        done.add(step.server)
        return "; ".join(f"{pod['pod']}: {pod['why']}" for pod in skipped)

    verbs: Verbs = {"hold": partial(_hold, wanted), "drain": drained}
    return Operation(partial(_plan, wanted, done), verbs, leave=holding.give_back)


def empty(wanted: Drain, run: Run, step: Step) -> Task:
    """Empty a node that this run holds, through any control plane server, or give it back.

    Return the pods that are ending and were not waited for.
    """
    node = run.spec.node_name(step.server)
    deadline = run.fleet.now() + wanted.timeout
    while True:
        left = max(1.0, deadline - run.fleet.now())
        try:
            said = yield from _evict(wanted, run, node, min(ROUND, left))
        except Failure as failure:  # no control plane could for a moment: that is no reason to give up
            if run.fleet.now() >= deadline:
                raise
            run.waits_for(step, failure.said)
            yield Sleep(PAUSE)
            continue
        if said["lost"]:
            raise holding.lost(step, said["lost"])
        if not (said["left"] or said["never"] or said["attachments"]):
            return said["skipped"]
        if said["never"] or run.fleet.now() >= deadline:
            after = yield from holding.give_back_one(run, step)
            raise _blocked(wanted, step, said, after)
        run.waits_for(step, _summary(said))


def _plan(wanted: Drain, done: Collection[str], run: Run) -> Task:
    facts = yield from read_facts(run, run.spec.control_plane.servers)
    looks: dict[str, Any] = {}
    if facts.cluster:
        nodes = {server: run.spec.node_name(server) for server in wanted.servers}
        arguments = {"nodes": list(nodes.values()), "options": wanted.options.to_dict()}
        said = yield from through_control_plane(run, "k8s_drain.look", arguments, LOOK + len(nodes))
        looks = {server: said[node] for server, node in nodes.items()}
    now = run.clock()
    hold = Hold(DRAIN, run.id, run.who, wanted.reason, moment(0, now), moment(wanted.timeout, now))
    asked = decision.Wanted(wanted.servers, hold, now, frozenset(holding.dead(run)), frozenset(done))
    return decision.plan(run.spec, facts, run.assignments, looks, asked)


def _hold(wanted: Drain, run: Run, step: Step) -> Task:
    """Take the hold of a node for as long as the drain of all of them may last."""
    seconds = wanted.timeout * len(wanted.servers) + SLACK
    yield from holding.take(run, step, wanted.reason, seconds)


def _evict(wanted: Drain, run: Run, node: str, seconds: float) -> Task:
    arguments = {
        "node": node,
        "run": run.id,
        "options": wanted.options.to_dict(),
        "seconds": seconds,
        "fence": run.fence,
    }
    return (yield from through_control_plane(run, "k8s_drain.evict", arguments, seconds + 45))


def _blocked(wanted: Drain, step: Step, said: Mapping[str, Any], after: str) -> Failure:
    tried = "draining it" if said["never"] else f"draining it for {wanted.timeout:.0f} s"
    return Failure(step.server, tried, _all(said), f"{after}; mend these, then {RUN_AGAIN}")


def _summary(said: Mapping[str, Any]) -> str:
    """Return what a person sees while it goes on: how many, and why the first is still there."""
    pods, volumes = said["left"], said["attachments"]
    if not pods:
        return f"{len(volumes)} volumes to be detached: {volumes[0]}"
    blocked = next((pod for pod in pods if not pod["why"].startswith("it is ending")), pods[0])
    return f"{len(pods)} pods, such as {blocked['pod']}: {blocked['why']}"


def _all(said: Mapping[str, Any]) -> str:
    pods = {pod["pod"]: pod["why"] for pod in (*said["left"], *said["never"], *said["skipped"])}
    volumes = [f"volume {volume} is still attached" for volume in said["attachments"]]
    return "; ".join([*(f"{pod}: {why}" for pod, why in pods.items()), *volumes])
