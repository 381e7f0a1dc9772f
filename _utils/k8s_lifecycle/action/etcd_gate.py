"""What a step asks etcd: who its members are, and whether the one that joins may, and has."""

from __future__ import annotations

from typing import Any

from k8s_lifecycle.action.run import RUN_AGAIN, Failure, Run, through_control_plane
from k8s_lifecycle.action.scheduler import Sleep, Task
from k8s_lifecycle.decision.plan import Step
from k8s_lifecycle.model.facts import Member
from k8s_lifecycle.model.quorum import ready_to_grow

QUORUM_TIMEOUT = 60
GROW_TIMEOUT = 180


def wait_until_whole(run: Run, step: Step) -> Task:
    """Wait until every etcd member votes and is healthy: only then may another one join."""
    deadline = run.fleet.now() + GROW_TIMEOUT
    while reasons := ready_to_grow((yield from members(run, avoid=step.server))):
        run.waits_for(step, f"etcd before the join: {'; '.join(reasons)}")
        if run.fleet.now() > deadline:
            raise Failure(
                step.server, "waiting for a healthy etcd", "; ".join(reasons), "mend etcd, then run again"
            )
        yield Sleep(2)


def wait_until_votes(run: Run, step: Step) -> Task:
    """Wait until the server's etcd member votes and is healthy, as another one sees it where there is one."""
    node = run.spec.node_name(step.server)
    alone = len(run.spec.control_plane.servers) == 1
    deadline = run.fleet.now() + GROW_TIMEOUT
    while True:
        found = yield from members(run, avoid="" if alone else step.server)
        if any(member.name == node and member.healthy and not member.learner for member in found):
            return
        run.waits_for(step, f"etcd member {node} to vote and be healthy")
        if run.fleet.now() > deadline:
            raise Failure(
                step.server, "waiting for its etcd member", f"not voting after {GROW_TIMEOUT} s", RUN_AGAIN
            )
        yield Sleep(2)


def member_of(run: Run, step: Step) -> Task:
    """Look for the server's etcd member through the others."""
    node, addresses = run.spec.node_name(step.server), run.seen(step.server).addresses
    found = yield from members(run, avoid=step.server)
    return next((member for member in found if member.is_of(node, addresses)), None)


def members(run: Run, avoid: str = "") -> Task:
    """Ask etcd for its members; without a quorum one member answers from memory, which proves nothing."""
    deadline = run.fleet.now() + QUORUM_TIMEOUT
    while True:
        said: dict[str, Any] = yield from through_control_plane(run, "k8s_etcd.members", {}, avoid=avoid)
        if said["quorum"]:
            return [Member.read(member) for member in said["members"]]
        if run.fleet.now() > deadline:
            raise Failure(
                run.spec.name,
                "asking etcd for its members",
                f"it had no quorum for {QUORUM_TIMEOUT} s",
                "bring the members that are down back, then run again",
            )
        yield Sleep(2)
