"""Joins that servers ask for: answer those that ask, join those that may, and tell them how it went."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from k8s_lifecycle.action import operation, site
from k8s_lifecycle.action.fleet import Answer, Call
from k8s_lifecycle.action.provision import provision
from k8s_lifecycle.action.run import Failure, Run
from k8s_lifecycle.action.scheduler import Scheduler, Task
from k8s_lifecycle.decision import joining
from k8s_lifecycle.decision.joining import Verdict
from k8s_lifecycle.model.spec import Catalogue

log = logging.getLogger(__name__)

TIMEOUT = 10.0


def answer(catalogue: Catalogue, servers: Collection[str]) -> Task:
    """Answer servers that are said to ask; return the verdict on each that does.

    What said so may be forged: only a server that confirms it, in its answer to a job, is judged.
    """
    names = joining.grain_names(catalogue)
    confirmed: list[Answer] = yield [
        Call(server, "k8s_node.waiting", {"grains": names}, TIMEOUT) for server in servers
    ]
    verdicts: dict[str, Verdict] = {}
    for one in confirmed:
        if one.ok and one.value:
            verdicts[one.server] = joining.verdict(catalogue, one.server, one.value["grains"])
        else:
            log.info("%s does not ask to join: %s", one.server, one.error or "it says so itself")
    for server, verdict in verdicts.items():
        log.log(
            logging.INFO if verdict.accepted else logging.WARNING,
            "%s asks to join, and is %s: %s",
            server,
            _outcome(verdict),
            verdict.reason,
        )
    yield [_tell(server, _outcome(verdict), verdict.reason) for server, verdict in verdicts.items()]
    return verdicts


def cluster_of(catalogue: Catalogue, known: Collection[str], servers: Iterable[str]) -> str:
    """Return the one cluster that all these servers are to join; raise a failure that says what is wrong."""
    for server in servers:
        _may_join(catalogue, known, server)
    return site.cluster_of(catalogue, servers)


def carry_through(run: Run, servers: Collection[str]) -> operation.Report:
    """Join servers to the cluster of a run, and tell each how it went.

    They are not told of a run that could not begin because another one has the lock: it is tried again.
    """
    report = operation.carry_through(run, provision(only=servers))
    if not report.locked_out:
        Scheduler(run.fleet).run(_tell_all(report, servers))
    return report


def _may_join(catalogue: Catalogue, known: Collection[str], server: str) -> None:
    place = catalogue.assignment(server)
    if place and place.role == "spare":
        raise Failure(server, "join", f"it is a spare of {place.cluster}", "put it into a pool")
    if place and place.role == "control-plane":
        said = f"it is a control plane of {place.cluster}, of which the others' endpoints must be told first"
        raise Failure(server, "join", said, f"run `salt-run k8s.provision {place.cluster}`")
    if place and server not in known:
        said, remedy = "the master has no accepted key of it", "look at `salt-key --list-all`"
        raise Failure(server, "join", said, remedy)


def _tell_all(report: operation.Report, servers: Collection[str]) -> Task:
    failures = {server: _failure(report, server) for server in servers}
    yield [_tell(server, "failed" if failure else "joined", failure) for server, failure in failures.items()]


def _failure(report: operation.Report, server: str) -> str:
    """Return why a server did not join; empty if it did."""
    failed = [str(done.failure) for done in report.steps if done.failure and done.step.server == server]
    left = [str(step) for step in report.plan.steps if step.server == server]
    return (
        "; ".join([*failed, *report.plan.refusals])
        or report.plan.blocked.get(server, "")
        or report.failure
        or (f"left to do: {', '.join(left)}" if left else "")
    )


def _outcome(verdict: Verdict) -> str:
    return "accepted" if verdict.accepted else "refused"


def _tell(server: str, outcome: str, reason: str) -> Call:
    return Call(server, "k8s_node.tell", {"outcome": outcome, "reason": reason}, TIMEOUT)
