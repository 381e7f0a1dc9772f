"""Holds, as runs take them and give them back, and what people do with them by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from k8s_lifecycle.action.observe import read_facts
from k8s_lifecycle.action.operation import Operation
from k8s_lifecycle.action.run import Failure, Run, through_control_plane
from k8s_lifecycle.action.scheduler import Task
from k8s_lifecycle.decision import holding as decision
from k8s_lifecycle.decision.plan import Plan, Step
from k8s_lifecycle.model.facts import Facts
from k8s_lifecycle.model.hold import BY_HAND, Hold, moment


def take(run: Run, step: Step, reason: str, seconds: float) -> Task:
    """Take the hold of a step's node for this run, or renew it; with the volumes that the step names."""
    run.holding = True
    now = run.clock()
    times = moment(0, now), moment(seconds, now)
    volumes = tuple(step.how.get("volumes", ()))
    yield from _take(run, step, Hold(run.operation, run.id, run.who, reason, *times, volumes=volumes))


def keep(run: Run, step: Step, seconds: float) -> Task:
    """Leave a step's node held, now that the run is done with it."""
    arguments = {"node": run.spec.node_name(step.server), "run": run.id, "seconds": seconds}
    said = yield from through_control_plane(run, "k8s_hold.keep", arguments)
    if not said["kept"]:
        raise lost(step, "its hold was taken away")


def lost(step: Step, said: str) -> Failure:
    """Return the failure of a step whose node this run does not hold any more."""
    return Failure(step.server, "keeping its hold", said, "look at `salt-run k8s.status`, then run again")


def give_back(run: Run) -> Task:
    """Give back all that this run still holds."""
    if run.holding:
        yield from through_control_plane(run, "k8s_hold.give_back", {"run": run.id})
        run.holding = False


def give_back_one(run: Run, step: Step) -> Task:
    """Give a step's node back; return what has become of it, for people."""
    arguments = {"run": run.id, "nodes": [run.spec.node_name(step.server)]}
    said = yield from through_control_plane(run, "k8s_hold.give_back", arguments)
    return (
        "the node stays held, since it cannot be reached" if said["left"] else "the node is as it was before"
    )


def dead(run: Run) -> list[str]:
    """Return the runs that hold nodes and are known to have been cut off."""
    nodes = run.facts.cluster.nodes.values() if run.facts.cluster else ()
    holders = {node.hold.run for node in nodes if node.hold and node.hold.run}
    return sorted(holder for holder in holders if run.is_dead(holder))


def hold(servers: Collection[str], reason: str, seconds: float) -> Operation:
    """Keep nodes out of service for a person."""

    def decide(run: Run, facts: Facts, now: datetime) -> Plan:
        until = moment(seconds, now)
        wanted = Hold(BY_HAND, "", run.who, reason, moment(0, now), until)
        return decision.hold(run.spec, facts, servers, wanted, now)

    def verb(run: Run, step: Step) -> Task:
        now = run.clock()
        yield from _take(run, step, Hold(BY_HAND, "", run.who, reason, moment(0, now), moment(seconds, now)))

    return _by_hand(decide, "hold", verb)


def release(servers: Collection[str], *, force: bool) -> Operation:
    """Give holds back, each node as it was before."""

    def decide(run: Run, facts: Facts, now: datetime) -> Plan:
        return decision.release(run.spec, facts, servers, dead(run), now, force=force)

    def verb(run: Run, step: Step) -> Task:
        arguments = {**_seen(run, step), "dead": dead(run), "force": force}
        yield from through_control_plane(run, "k8s_hold.release", arguments)

    return _by_hand(decide, "release", verb)


def uncordon(servers: Collection[str]) -> Operation:
    """Open nodes for pods that a drain has kept, or that nobody holds."""

    def decide(run: Run, facts: Facts, now: datetime) -> Plan:
        return decision.uncordon(run.spec, facts, servers, dead(run), now)

    def verb(run: Run, step: Step) -> Task:
        arguments = {**_seen(run, step), "dead": dead(run)}
        yield from through_control_plane(run, "k8s_hold.uncordon", arguments)

    return _by_hand(decide, "uncordon", verb)


def _by_hand(
    decide: Callable[[Run, Facts, datetime], Plan], name: str, verb: Callable[[Run, Step], Task]
) -> Operation:
    """Return an operation that looks at the control planes only; each of its steps is one compare-and-set."""

    def plan(run: Run) -> Task:
        facts = yield from read_facts(run, run.spec.control_plane.servers)
        return decide(run, facts, run.clock())

    return Operation(plan, {name: verb}, locks=False)


def _seen(run: Run, step: Step) -> dict[str, Any]:
    """Return a step's node, and its hold as it was when the step was planned."""
    node = run.spec.node_name(step.server)
    found = run.facts.cluster.nodes.get(node) if run.facts.cluster else None
    return {"node": node, "hold": found.hold.to_dict() if found and found.hold else None}


def _take(run: Run, step: Step, hold: Hold) -> Task:
    arguments = {"node": run.spec.node_name(step.server), "hold": hold.to_dict(), "dead": dead(run)}
    yield from through_control_plane(run, "k8s_hold.take", arguments)
