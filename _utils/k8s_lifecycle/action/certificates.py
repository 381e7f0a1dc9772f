"""Certificates: reported for every server, and rotated with the API serving all the while."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from k8s_lifecycle.action import etcd_gate, steps
from k8s_lifecycle.action.fleet import Answer, Call, Outcome
from k8s_lifecycle.action.observe import read_facts, synchronise
from k8s_lifecycle.action.operation import Operation
from k8s_lifecycle.action.run import RUN_AGAIN, Failure, Run, value_of
from k8s_lifecycle.action.scheduler import Task
from k8s_lifecycle.decision import certificates as decision
from k8s_lifecycle.decision.plan import Step
from k8s_lifecycle.model.certificates import READ_ONCE, Pki
from k8s_lifecycle.model.quorum import Act, prove
from k8s_lifecycle.model.quorum import Answer as Proven

REPORT_TIMEOUT = 45
RENEW_TIMEOUT = 180
SERVED_TIMEOUT = 90
RESTARTED_WITHIN = 45.0
RECOVERED_WITHIN = 180.0  # all of them at once, and etcd's quorum among them
# What shows a port's certificate, and is restarted where it does not read a new one by itself.
BEHIND = {"port 6443": "kube-apiserver", "port 2379": "etcd", "port 2380": "etcd"}


def rotate(older_than: float) -> Operation:
    """Return the operation. older_than: the age in seconds from which a certificate is renewed."""
    began: list[float] = []  # what this run has made is never older than it, however long it takes

    def plan(run: Run) -> Task:
        now = run.clock().timestamp()
        began.append(now)
        facts = yield from read_facts(run, run.spec.control_plane.servers)
        pkis, unread = yield from read_pkis(run)
        return decision.plan(run.spec, facts, pkis, unread, decision.Wanted(now, began[0] - older_than))

    verbs = {
        "renew": renew,
        "restart": take_effect,
        "recover": recover,
        "renew_kubelet": renew_kubelet,
    }
    return Operation(plan, verbs)


def read_pkis(run: Run) -> Task:
    """Ask every server of the cluster for its certificates at once.

    Return what those that answer report, and why others do not. A server on which the call failed may have
    other modules than the master: it is synchronised, and asked once more.
    """
    answers: dict[str, Answer] = {answer.server: answer for answer in (yield _questions(run.assignments))}
    failed = [server for server, answer in answers.items() if answer.outcome is Outcome.FAILED]
    if failed:
        yield from synchronise(run, failed)
        answers |= {answer.server: answer for answer in (yield _questions(failed))}
    pkis = {server: Pki.read(answer.value) for server, answer in answers.items() if answer.ok}
    return pkis, {server: answer.error for server, answer in answers.items() if not answer.ok}


def renew(run: Run, step: Step) -> Task:
    """Renew a control plane's certificates, see each in effect, or put those of before back."""
    yield from _prove(run, step)
    backup = yield from _renewed(run, step)
    try:
        yield from take_effect(run, step)
    except Failure as failure:
        back = yield from _put_back(run, step, backup)
        raise Failure(step.server, failure.tried, f"{failure.said}; {back}", failure.remedy) from failure


def take_effect(run: Run, step: Step) -> Task:
    """See that every port shows its new certificate, restart what reads its own once, and etcd well."""
    yield from _served(run, step)
    run.waits_for(step, f"{', '.join(READ_ONCE)} to run with the new certificates")
    yield from _restart(run, step, list(READ_ONCE))
    yield from etcd_gate.wait_until_votes(run, step)


def recover(run: Run, step: Step) -> Task:
    """Renew a control plane that can talk to nobody, its kubelet first; restart all, with the kubelet.

    etcd is restarted where it is not healthy only: without an API this cannot make anything worse.
    """
    before = yield from _report(run, step)
    if before.kubelet_needs(run.clock().timestamp()):
        yield from _renew_own_kubelet(run, step)
    if step.how["renew"]:
        yield from _renewed(run, step)
    after = yield from _report(run, step)
    etcd = [] if "etcd" in after.healthy else ["etcd"]
    run.waits_for(step, "its API server, with new certificates, and etcd's quorum")
    components = [*etcd, "kube-apiserver", *READ_ONCE]
    yield from _restart(run, step, components, RECOVERED_WITHIN, kubelet=True)


def renew_kubelet(run: Run, step: Step) -> Task:
    """Give a kubelet a new certificate in place of an expired one: from the CA here, or by an admission."""
    if step.server in run.spec.control_plane.servers:
        yield from _renew_own_kubelet(run, step)
    else:
        minted = yield from steps.admit(run, step)
        answer = yield run.change(step.server, "k8s_pki.renew_kubelet", RENEW_TIMEOUT, box=minted["box"])
        yield from steps.revoke_used(run, step, minted)
        value_of(answer, "renewing its kubelet's certificate", RUN_AGAIN)
    yield from steps.ready(run, step)
    yield from steps.verified(run, step)


def _questions(servers: Iterable[str]) -> list[Call]:
    return [Call(server, "k8s_pki.report", {}, REPORT_TIMEOUT) for server in servers]


def _report(run: Run, step: Step) -> Task:
    answer = yield Call(step.server, "k8s_pki.report", {}, REPORT_TIMEOUT)
    return Pki.read(value_of(answer, "reading its certificates", RUN_AGAIN))


def _renewed(run: Run, step: Step) -> Task:
    """Renew the files; return the name of the back-up."""
    spec = run.spec.at_version(step.how["version"])
    answer = yield run.change(step.server, "k8s_pki.renew", RENEW_TIMEOUT, spec=spec.to_dict())
    said: dict[str, Any] = value_of(answer, "renewing its certificates", RUN_AGAIN)
    return said["backup"]


def _renew_own_kubelet(run: Run, step: Step) -> Task:
    spec = run.spec.at_version(step.how["version"])
    answer = yield run.change(step.server, "k8s_pki.renew_kubelet", RENEW_TIMEOUT, spec=spec.to_dict())
    value_of(answer, "renewing its kubelet's certificate", RUN_AGAIN)


def _served(run: Run, step: Step) -> Task:
    """Wait until the ports show the new certificates; restart, behind the quorum proof, what does not."""
    run.waits_for(step, "its ports to show the new certificates")
    arguments = {"timeout": SERVED_TIMEOUT}
    answer = yield Call(step.server, "k8s_pki.wait_served", arguments, SERVED_TIMEOUT + 45)
    left = value_of(answer, "waiting for its ports to show the new certificates", RUN_AGAIN)
    if left:
        yield from _prove(run, step)
        yield from _restart(run, step, sorted({BEHIND.get(one, one) for one in left}))


def _prove(run: Run, step: Step) -> Task:
    """Prove that the server's etcd member may stop; a cluster of one has no quorum to keep."""
    members = yield from etcd_gate.members(run)
    proof = prove(members, Act.STOP, run.spec.node_name(step.server))
    if proof.answer is Proven.NO and len(members) > 1:
        raise Failure(step.server, "proving that etcd bears it", "; ".join(proof.reasons), RUN_AGAIN)


def _restart(
    run: Run,
    step: Step,
    components: list[str],
    seconds: float = RESTARTED_WITHIN,
    *,
    kubelet: bool = False,
) -> Task:
    arguments = {"components": components, "seconds": seconds, "kubelet": kubelet}
    answer = yield run.change(step.server, "k8s_pki.restart", seconds + 45, **arguments)
    value_of(answer, f"restarting {', '.join(components)}", RUN_AGAIN)


def _put_back(run: Run, step: Step, backup: str) -> Task:
    """Put the certificates of before back; return what became of it, for people."""
    answer: Answer = yield run.change(step.server, "k8s_pki.put_back", RESTARTED_WITHIN + 45, backup=backup)
    if not answer.ok:
        return f"and the certificates of before could not be put back: {answer.error}"
    failed = answer.value["failed"]
    return f"the certificates of before are back{f', but {failed}' if failed else ''}"
