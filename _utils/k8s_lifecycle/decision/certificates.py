"""Decide which certificates of a cluster are renewed, in which order, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from k8s_lifecycle.decision import provision
from k8s_lifecycle.decision.held import leave_held
from k8s_lifecycle.decision.plan import Plan, Step, Wave, waves
from k8s_lifecycle.model.certificates import Pki, is_due
from k8s_lifecycle.model.facts import Facts
from k8s_lifecycle.model.spec import Spec

OPERATION = "rotate_certs"

# What each server's minion reports, by its id; servers that did not answer are left out.
Pkis = Mapping[str, Pki]


@dataclass(frozen=True)
class Wanted:
    """A rotation that somebody asks for.

    made_before: certificates from before this moment are renewed, in seconds since the epoch, as `now`.
    """

    now: float
    made_before: float


def plan(spec: Spec, facts: Facts, pkis: Pkis, unread: Mapping[str, str], wanted: Wanted) -> Plan:
    """Plan a rotation: one control plane after the other, etcd's leader last; kubelets that need it before.

    unread: why the certificates of a server are not known. Where every leaf certificate has expired no API
    answers: all control planes are renewed at once then, since one that is renewed cannot talk to those that
    are not.
    """
    refusals = tuple(_refusals(spec, facts, pkis, unread))
    if refusals:
        return Plan(spec.name, OPERATION, refusals=refusals)
    if facts.cluster is None:
        return _recovery(spec, pkis, wanted)
    nodes = facts.cluster.nodes
    needy = {
        server: why
        for server, pki in pkis.items()
        if spec.node_name(server) in nodes and (why := pki.kubelet_needs(wanted.now))
    }
    own = {server: why for server, why in needy.items() if server in spec.control_plane.servers}
    others = {server: why for server, why in needy.items() if server not in own}
    found = Plan(
        spec.name,
        OPERATION,
        waves=waves(
            Wave("kubelets of control planes", _kubelets(spec, facts, own)),
            Wave("control planes, one by one", tuple(_control_planes(spec, facts, pkis, wanted))),
            Wave(
                "kubelets",
                _kubelets(spec, facts, others),
                spec.limits.concurrency,
                spec.limits.failures_allowed(len(others)),
            ),
        ),
        blocked={
            server: f"{why} — mend that and run again"
            for server, why in unread.items()
            if spec.node_name(server) in nodes
        },
    )
    return leave_held(found, spec, facts)


def _refusals(spec: Spec, facts: Facts, pkis: Pkis, unread: Mapping[str, str]) -> Iterator[str]:
    servers = spec.control_plane.servers
    for server in servers:
        if server in pkis and pkis[server].external:
            yield (
                f"{server}: the key of the authority {', '.join(pkis[server].external)} is not in "
                "the cluster: certificates are made where it is, then put into /etc/kubernetes/pki; "
                "`salt-run k8s.certificates` shows which"
            )
    if not any(server in pkis for server in servers):
        yield f"{spec.name}: no control plane server answers — bring their minions back, then run again"
    elif facts.cluster:
        yield from provision.drift(spec, facts)
    elif missing := [f"{server}: {unread[server]}" for server in servers if server in unread]:
        yield (
            f"{'; '.join(missing)} — no API answers, and one control plane that is renewed cannot talk "
            "to one that is not: bring their minions back, then run again"
        )


def _control_planes(spec: Spec, facts: Facts, pkis: Pkis, wanted: Wanted) -> Iterator[Step]:
    how = {"version": provision.target_version(spec, facts)}
    for server in sorted(spec.control_plane.servers, key=lambda server: _leads(spec, facts, server)):
        if server not in pkis:
            continue
        if due := _due(spec, pkis[server], wanted):
            yield Step("renew", server, due, how)
        elif stale := pkis[server].stale():
            yield Step("restart", server, f"{', '.join(stale)} with certificates from before", how)


def _kubelets(spec: Spec, facts: Facts, needy: Mapping[str, str]) -> tuple[Step, ...]:
    how = {"version": provision.target_version(spec, facts)}
    return tuple(Step("renew_kubelet", server, f"its kubelet: {why}", how) for server, why in needy.items())


def _recovery(spec: Spec, pkis: Pkis, wanted: Wanted) -> Plan:
    """Plan for a cluster without an API: only its certificates are this operation's to mend."""
    servers = spec.control_plane.servers
    found = [pkis[server] for server in servers]
    if not any(
        pki.expired(wanted.now) or pki.torn() or pki.staged or pki.kubelet_needs(wanted.now) or pki.stale()
        for pki in found
    ):
        said = f"{spec.name}: no API answers, and no certificate has expired: that is not the reason"
        return Plan(spec.name, OPERATION, refusals=(f"{said} — look at `salt-run k8s.status {spec.name}`",))
    due = {server: _due(spec, pkis[server], wanted) for server in servers}
    steps = tuple(
        Step(
            "recover",
            server,
            f"no API answers; {due[server] or 'not all of it is in effect'}",
            {"version": spec.kubernetes.version, "renew": bool(due[server])},
        )
        for server in servers
    )
    wave = Wave("control planes, all at once", steps, window=len(steps), budget=len(steps))
    return Plan(spec.name, OPERATION, waves=(wave,), partial=True)


def _due(spec: Spec, pki: Pki, wanted: Wanted) -> str:
    """Return why a server's certificates are to be renewed; empty where they need not be."""
    due = [one for one in pki.leaves if is_due(one, spec, wanted.now, wanted.made_before)]
    if pki.staged:
        return "a renewal was cut off"
    if not due:
        return ""
    expired, torn = [one for one in due if one.expires <= wanted.now], [one.name for one in pki.torn()]
    words = [f"{len(due)} of {len(list(pki.leaves))} certificates are due"]
    words += [f"{len(expired)} have expired"] if expired else []
    words += [f"not whole: {', '.join(torn)}"] if torn else []
    return ", ".join(words)


def _leads(spec: Spec, facts: Facts, server: str) -> bool:
    node = spec.node_name(server)
    members = (facts.cluster.members or ()) if facts.cluster else ()
    return any(member.leader for member in members if member.name == node)
