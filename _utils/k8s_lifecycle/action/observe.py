"""Read the facts: one call to all servers of a cluster at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from k8s_lifecycle.action.fleet import Answer, Call, Outcome
from k8s_lifecycle.action.run import Run
from k8s_lifecycle.action.scheduler import Task
from k8s_lifecycle.model.facts import Facts, observe

TIMEOUT = 45


def read_facts(run: Run, servers: Collection[str] | None = None) -> Task:
    """Ask servers for their facts, keep them in the run and return them.

    servers: whom to ask; None: every server that the spec names or allows. A server whose modules are
    missing or are not the master's is synchronised first and asked once more. One control plane, the viewer,
    tells all of the cluster; where it is silent, or its etcd, all of them are asked for that.
    """
    wanted = list(servers if servers is not None else run.assignments)
    viewer = next((one for one in [*run.acting(), *run.spec.control_plane.servers] if one in wanted), None)
    answers = {answer.server: answer for answer in (yield _questions(run, wanted, viewer))}
    stale = [server for server, answer in answers.items() if _stale(run, answer)]
    if stale:
        yield from synchronise(run, stale)
        again = yield _questions(run, stale, viewer)
        answers.update({answer.server: _current(run, answer) for answer in again})
    run.facts = _facts(answers.values())
    if run.facts.views and not (run.facts.cluster and run.facts.cluster.members):
        seeing = [view.seen_by for view in run.facts.views]
        answers.update({answer.server: answer for answer in (yield _questions(run, seeing, None))})
        run.facts = _facts(answers.values())
    return run.facts


def synchronise(run: Run, servers: Sequence[str]) -> Task:
    """Give servers the modules of the master."""
    run.tell("synchronises", servers=servers)
    yield [Call(server, "saltutil.sync_all", {"refresh": True}, 180) for server in servers]


def _questions(run: Run, servers: Sequence[str], viewer: str | None) -> list[Call]:
    arguments = {"endpoint_address": run.spec.control_plane.endpoint.address, "viewer": viewer}
    return [Call(server, "k8s_server.facts", arguments, TIMEOUT) for server in servers]


def _stale(run: Run, answer: Answer) -> bool:
    if answer.ok:
        return bool(answer.value["code"] != run.code)
    return answer.outcome is Outcome.FAILED


def _current(run: Run, answer: Answer) -> Answer:
    """Believe no server that runs other code after it was synchronised: a long-lived minion may."""
    if answer.ok and answer.value["code"] != run.code:
        error = "its minion runs other code than the master's, also after a sync — restart its salt-minion"
        return Answer(answer.server, Outcome.FAILED, error=error)
    return answer


def _facts(answers: Collection[Answer]) -> Facts:
    return observe(
        {answer.server: answer.value for answer in answers if answer.ok},
        frozenset(answer.server for answer in answers if answer.outcome is Outcome.MISSING),
        {answer.server: answer.error for answer in answers if answer.outcome is Outcome.FAILED},
    )
