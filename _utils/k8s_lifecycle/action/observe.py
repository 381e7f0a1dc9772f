"""Read the facts: one call to all servers of a cluster at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from k8s_lifecycle.action.fleet import Answer, Call, Outcome
from k8s_lifecycle.action.run import Run
from k8s_lifecycle.action.scheduler import Task
from k8s_lifecycle.model.facts import Facts, observe

TIMEOUT = 45


def read_facts(run: Run, servers: Collection[str] | None = None) -> Task:
    """Ask servers for their facts, keep them in the run and return them.

    servers: whom to ask; None: every server that the spec names or allows. A server whose modules are
    missing or are not the master's is synchronised first and asked once more.
    """
    wanted = list(servers if servers is not None else run.assignments)
    answers = {answer.server: answer for answer in (yield _questions(run, wanted))}
    stale = [server for server, answer in answers.items() if _stale(run, answer)]
    if stale:
        yield from synchronise(run, stale)
        answers.update({answer.server: _current(run, answer) for answer in (yield _questions(run, stale))})
    run.facts = _facts(answers.values())
    if run.facts.views and not (run.facts.cluster and run.facts.cluster.members):
        run.facts = yield from _seen_by_all(run, answers)
    return run.facts


def synchronise(run: Run, servers: Sequence[str]) -> Task:
    """Give servers the modules of the master."""
    run.tell("synchronises", servers=servers)
    yield [Call(server, "saltutil.sync_all", {"refresh": True}, 180) for server in servers]


def _seen_by_all(run: Run, answers: Mapping[str, Answer]) -> Task:
    """Look through every control plane's eyes: the one that was to tell all did not, or its etcd did not."""
    seeing = [view.seen_by for view in run.facts.views]
    views = yield [Call(server, "k8s_api.cluster_view", {}, TIMEOUT) for server in seeing]
    seen = {view.server: {**answers[view.server].value, "api": view.value} for view in views if view.ok}
    return _facts(replace(answer, value=seen.get(name, answer.value)) for name, answer in answers.items())


def _questions(run: Run, servers: Sequence[str]) -> list[Call]:
    likely = [*run.acting(), *run.spec.control_plane.servers]
    arguments = {
        "endpoint_address": run.spec.control_plane.endpoint.address,
        "viewer": next((server for server in likely if server in servers), None),
    }
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


def _facts(found: Iterable[Answer]) -> Facts:
    answers = list(found)
    return observe(
        {answer.server: answer.value for answer in answers if answer.ok},
        frozenset(answer.server for answer in answers if answer.outcome is Outcome.MISSING),
        {answer.server: answer.error for answer in answers if answer.outcome is Outcome.FAILED},
    )
