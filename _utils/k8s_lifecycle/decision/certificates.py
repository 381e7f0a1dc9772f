"""Decide which certificates of a cluster are renewed, in which order, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from k8s_lifecycle.decision import provision
from k8s_lifecycle.decision.plan import Plan, Step, Wave, waves
from k8s_lifecycle.model.certificates import Pki, is_due
from k8s_lifecycle.model.facts import Facts
from k8s_lifecycle.model.spec import Spec

OPERATION = "rotate_certs"

# What each server's minion reports, by its id; servers that did not answer are left out.
Pkis = Mapping[str, Pki]


@dataclass(frozen=True)
class Wanted:
    """A rotation that somebody asks for. older_than: from which age, in seconds, a certificate is renewed."""

    now: float
    older_than: float


def plan(spec: Spec, facts: Facts, pkis: Pkis, wanted: Wanted) -> Plan:
    """Plan a rotation: one control plane after the other, etcd's leader last, then expired kubelets.

    Where every leaf certificate has expired no API answers: all control planes are renewed at once then,
    since one that is renewed cannot talk to those that are not.
    """
    refusals = tuple(_refusals(spec, facts, pkis))
    if refusals:
        return Plan(spec.name, OPERATION, refusals=refusals)
    if facts.cluster is None:
        return _recovery(spec, pkis, wanted)
    return Plan(
        spec.name,
        OPERATION,
        waves=waves(
            Wave("control planes, one by one", tuple(_control_planes(spec, facts, pkis, wanted))),
            _kubelets(spec, facts, pkis, wanted),
        ),
        blocked=_silent(spec, pkis),
    )


def _refusals(spec: Spec, facts: Facts, pkis: Pkis) -> Iterator[str]:
    servers = spec.control_plane.servers
    for server in servers:
        if server in pkis and pkis[server].external_ca:
            yield (
                f"{server}: the certificate authority's key is not in the cluster: certificates are renewed "
                "where it is, then put into /etc/kubernetes/pki; `salt-run k8s.certificates` shows which"
            )
    if not any(server in pkis for server in servers):
        yield f"{spec.name}: no control plane server answers — bring their minions back, then run again"
    elif facts.cluster:
        yield from provision.drift(spec, facts)
    elif missing := [server for server in servers if server not in pkis]:
        yield (
            f"{', '.join(missing)} did not answer, and no API does: one control plane that is renewed cannot "
            "talk to one that is not — bring their minions back, then run again"
        )


def _control_planes(spec: Spec, facts: Facts, pkis: Pkis, wanted: Wanted) -> Iterator[Step]:
    for server in sorted(spec.control_plane.servers, key=lambda server: _leads(spec, facts, server)):
        if server not in pkis:
            continue
        pki = pkis[server]
        how = {"version": provision.target_version(spec, facts)}
        if due := _due(spec, pki, wanted):
            yield Step("renew", server, due, how)
        elif stale := pki.stale():
            yield Step("restart", server, f"{', '.join(stale)} with certificates from before", how)


def _kubelets(spec: Spec, facts: Facts, pkis: Pkis, wanted: Wanted) -> Wave:
    nodes = facts.cluster.nodes if facts.cluster else {}
    steps = tuple(
        Step(
            "renew_kubelet",
            server,
            "its kubelet's client certificate has expired: it cannot renew it itself",
            {"version": provision.target_version(spec, facts)},
        )
        for server, pki in pkis.items()
        if spec.node_name(server) in nodes and pki.kubelet_expired(wanted.now)
    )
    return Wave("kubelets", steps, spec.limits.concurrency, spec.limits.failures_allowed(len(steps)))


def _recovery(spec: Spec, pkis: Pkis, wanted: Wanted) -> Plan:
    """Plan for a cluster without an API: only expired certificates are this operation's to mend."""
    servers = spec.control_plane.servers
    expired = {server: pkis[server].expired(wanted.now) for server in servers}
    due = {server: _due(spec, pkis[server], wanted) for server in servers}
    behind = [
        server for server in servers if pkis[server].kubelet_expired(wanted.now) or pkis[server].stale()
    ]
    if not any(expired.values()) and not behind:
        said = f"{spec.name}: no API answers, and no certificate has expired: that is not the reason"
        return Plan(spec.name, OPERATION, refusals=(f"{said} — look at `salt-run k8s.status {spec.name}`",))
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
    due = [one for one in pki.leaves if is_due(one, spec, wanted.now, wanted.older_than)]
    if pki.staged:
        return "a renewal was cut off"
    if not due:
        return ""
    expired = [one for one in due if one.expires <= wanted.now]
    torn = [one.name for one in due if not one.whole]
    words = [f"{len(due)} of {len(list(pki.leaves))} certificates are due"]
    words += [f"{len(expired)} have expired"] if expired else []
    words += [f"not whole: {', '.join(torn)}"] if torn else []
    return ", ".join(words)


def _leads(spec: Spec, facts: Facts, server: str) -> bool:
    node = spec.node_name(server)
    members = (facts.cluster.members or ()) if facts.cluster else ()
    return any(member.leader for member in members if member.name == node)


def _silent(spec: Spec, pkis: Pkis) -> dict[str, str]:
    return {
        server: "did not answer — bring its minion back and run again"
        for server in spec.control_plane.servers
        if server not in pkis
    }
