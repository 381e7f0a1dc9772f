"""Where a server is not what its spec and the site ask for: each rule is a function, and RULES lists them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from k8s_lifecycle.decision.placement import objection
from k8s_lifecycle.model import untrusted
from k8s_lifecycle.model.certificates import (
    DAY,
    KUBELET_OVERDUE,
    RENEWED_BY_KUBELET,
    Certificate,
    validity,
)
from k8s_lifecycle.model.consul import Membership, service_names
from k8s_lifecycle.model.datacenter import Datacenter
from k8s_lifecycle.model.inventory import Description, Node
from k8s_lifecycle.model.spec import Assignment, Spec

CRITICAL = "critical"
WARNING = "warning"
HOUR = 3600.0
# How far a server's clock may be from the master's: an answer takes a while.
CLOCK_SLACK = 60.0
_SHOWN = 3
# A highstate that began so long ago and neither runs nor has ended was cut off.
HIGHSTATE_TAKES = HOUR


@dataclass(frozen=True)
class Drift:
    """One difference: its kind in a word or two, what differs, and what to do about it."""

    kind: str
    severity: str
    what: str
    remedy: str


@dataclass(frozen=True)
class Limits:
    """When something is worth a word: certificates before their end, highstates after theirs, in seconds."""

    certificate: float = 30 * DAY
    highstate: float = 48 * HOUR


@dataclass(frozen=True)
class Subject:
    """One server as the rules see it.

    place: by its minion id; spec: None also where that of its cluster cannot be used. home: the datacenter
    that names it, empty without one; datacenter: None also where its file cannot be used. key: as the master
    has it. answered: whether it said what `about` is; otherwise error says why not, and silent whether it is.
    seen: when it was, in words. code: what it should run. node: its Node object, and node_of: the cluster
    that has it. looked: whether the API of its own cluster answered. asked, now: when, in seconds since the
    epoch.
    twins: servers that say the same of themselves, by what it is.
    """

    server: str
    place: Assignment | None
    spec: Spec | None
    home: str
    datacenter: Datacenter | None
    key: str
    answered: bool
    silent: bool
    error: str
    seen: str
    about: Description
    code: str
    node: Node | None
    node_of: str
    looked: bool
    asked: float
    now: float
    limits: Limits
    twins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its minion id as a shell takes it: who asks for a key chooses it."""
        return shlex.quote(untrusted.text(self.server))

    @property
    def named_by(self) -> str:
        """The cluster or the datacenter that names or allows it; empty without one."""
        return self.place.cluster if self.place else self.home

    @property
    def is_node(self) -> bool:
        """Whether it is a node of its cluster."""
        return self.node is not None and self.place is not None and self.node_of == self.place.cluster


def drift(subject: Subject) -> tuple[Drift, ...]:
    """Return everything in which a server differs, what is critical first."""
    found = [one for rule in RULES for one in rule(subject)]
    return tuple(sorted(found, key=lambda one: one.severity != CRITICAL))


def _key(on: Subject) -> Iterator[Drift]:
    if not on.named_by or on.key == "accepted":
        return
    severity = CRITICAL if on.place else WARNING
    if on.key == "none":
        what = f"{on.named_by} names it, and the master has no key of it"
        yield Drift("no key", severity, what, f"install its minion, or take it out of {on.named_by}.yaml")
    else:
        accept = f"compare its fingerprint, then `salt-key -a {on.id}`"
        yield Drift("no key", severity, f"{on.named_by} wants it, and its key is {on.key}", accept)


def _silence(on: Subject) -> Iterator[Drift]:
    if on.silent:
        severity = CRITICAL if on.place else WARNING
        seen = on.seen.replace("T", " ").removesuffix("Z") or "never"
        what = f"silent, last seen {seen}: {on.error}"
        yield Drift("silent", severity, what, "look at its power, network and salt-minion")


def _failed_call(on: Subject) -> Iterator[Drift]:
    if on.answered or on.silent or not on.error:
        return
    if "is not available" in on.error or "Passed invalid arguments" in on.error:
        yield Drift("code", WARNING, "it has not got our modules", f"`salt {on.id} saltutil.sync_all`")
    else:
        yield Drift("call", WARNING, f"asking it failed: {on.error}", "look at its salt-minion's log")


def _code(on: Subject) -> Iterator[Drift]:
    if on.answered and on.about.code != on.code:
        remedy = f"`salt {on.id} saltutil.sync_all`; if that does not help, restart its salt-minion"
        yield Drift("code", WARNING, "its modules are not the master's", remedy)


def _unread(on: Subject) -> Iterator[Drift]:
    if on.named_by and on.about.errors:
        what = f"could not be read: {_listed(on.about.errors)}"
        yield Drift("unread", WARNING, what, f"`salt {on.id} k8s_server.inventory`")


def _clock(on: Subject) -> Iterator[Drift]:
    clock = on.about.clock
    if clock is not None and not on.asked - CLOCK_SLACK <= clock <= on.now + CLOCK_SLACK:
        off = clock - on.now
        what = f"its clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the master's"
        yield Drift("clock", WARNING, what, "look at its NTP: `chronyc sources`")


def _claims(on: Subject) -> Iterator[Drift]:
    """What a server says of its place, against what the specs say of it by its minion id."""
    grains = on.about.grains
    if on.place is None:
        yield from _claims_outside(on)
        return
    wanted = {"k8s_role": on.place.role, **({"k8s_pool": on.place.pool} if on.place.pool else {})}
    if on.spec:
        wanted |= {"datacenter": on.spec.datacenter, "environment": on.spec.environment}
    kept_out = objection(on.spec, on.place, grains) if on.spec and on.answered else ""
    if kept_out:
        what, _, remedy = kept_out.partition(" — ")
        yield Drift("grain", WARNING, what, remedy)
    for name, value in wanted.items():
        said = grains.get(name)
        if said and said != value and f"{name} is" not in kept_out:
            what = f"its grain {name} is {said}, its spec says {value}"
            yield Drift("grain", WARNING, what, f"`salt {on.id} grains.setval {name} {value}`")


def _claims_outside(on: Subject) -> Iterator[Drift]:
    """The same where no spec names it; a datacenter's file may."""
    if role := on.about.grains.get("k8s_role"):
        what = f"it claims the role {role}, and no spec names it"
        yield Drift("claim", WARNING, what, "name its minion id in a spec, or take its grain k8s_role away")
    said = on.about.grains.get("datacenter")
    if said and on.home and said != on.home:
        what = f"its grain datacenter is {said}, and {on.home} names it"
        yield Drift("grain", WARNING, what, f"`salt {on.id} grains.setval datacenter {on.home}`")


def _datacenter(on: Subject) -> Iterator[Drift]:
    if on.spec and on.home and on.home != on.spec.datacenter:
        what = f"{on.home}.yaml names it, and {on.spec.name}.yaml of its cluster says {on.spec.datacenter}"
        yield Drift("datacenter", WARNING, what, "have both say where it is")


def _membership(on: Subject) -> Iterator[Drift]:
    cluster = on.place.cluster if on.place else ""
    if on.node and on.node_of != cluster:
        own = f"its place is in {cluster}" if cluster else "no spec names it"
        what = f"it is a node of {on.node_of}, and {own}"
        yield Drift("membership", CRITICAL, what, f"name it in {on.node_of}.yaml, or drain and remove it")
    elif on.place and on.place.role == "spare":
        if on.node:
            yield Drift("membership", WARNING, "it is a spare, and a node", "name it in a pool of its spec")
    elif on.place and on.looked and not on.node:
        what = f"it is no node of {cluster} (yet)"
        yield Drift("membership", WARNING, what, f"`salt-run k8s.plan {cluster}` says what is missing")


def _node(on: Subject) -> Iterator[Drift]:
    if on.node is None:
        return
    if not on.node.ready:
        remedy = f"`salt-run k8s.status {on.node_of}`, and its kubelet's journal"
        yield Drift("node", CRITICAL, "its node is NotReady", remedy)
    hold = on.node.hold
    if hold and hold.expired(datetime.fromtimestamp(on.now, UTC)):
        what = f"held past its time: by {hold.operation} of {hold.who} until {hold.until} ({hold.reason})"
        yield Drift("hold", WARNING, what, f"`salt-run k8s.release {on.id}`, or hold it anew")
    elif hold is None and on.node.unschedulable:
        what = "cordoned, and held by nobody"
        yield Drift("hold", WARNING, what, f"`salt-run k8s.uncordon {on.id}`, or k8s.hold with a reason")


def _versions(on: Subject) -> Iterator[Drift]:
    if on.spec is None or on.place is None:
        return
    remedy = f"`salt-run k8s.plan {on.place.cluster}` tells the difference"
    if on.is_node and on.node and on.node.version != on.spec.kubernetes.version:
        what = f"its kubelet runs {on.node.version}, its spec says {on.spec.kubernetes.version}"
        yield Drift("version", WARNING, what, remedy)
    if on.is_node:  # it tells of its packages itself
        return
    wanted = {
        "kubelet": f"{on.spec.version}-{on.spec.packages.revision}",
        "containerd": on.spec.packages.containerd.version,
    }
    for package, version in wanted.items():
        if (found := on.about.versions.get(package)) and found != version:
            what = f"its package {package} is {found}, its spec says {version}"
            yield Drift("version", WARNING, what, remedy)


def _differences(on: Subject) -> Iterator[Drift]:
    if on.place and on.about.differences:
        remedy = f"`salt {on.id} k8s_server.inventory`; only an operation of the runner changes a node"
        yield Drift("spec", WARNING, _listed(on.about.differences), remedy)
    if on.place and on.about.system:
        yield Drift("system", WARNING, _listed(on.about.system), f"`salt {on.id} state.highstate`")


def _listed(lines: Sequence[str]) -> str:
    more = f"; … {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + more


def _services(on: Subject) -> Iterator[Drift]:
    services = on.about.services
    for name in ("kubelet", "containerd") if on.is_node else ():
        if (state := services.get(name, "active")) != "active":
            yield Drift("service", CRITICAL, f"its {name} is {state}", f"`journalctl -u {name}` on it")
    agent = services.get("node_exporter", "")
    if agent not in ("active", "none", ""):
        what = f"its monitoring agent node_exporter is {agent}"
        yield Drift("agent", WARNING, what, "its service's journal; highstate starts it")
    elif agent == "none" and on.datacenter:
        what = f"{on.home} has node_exporter on all its servers, and it has none"
        yield Drift("agent", WARNING, what, f"`salt {on.id} state.highstate`")


def _consul(on: Subject) -> Iterator[Drift]:
    state = on.about.consul
    if state not in ("", "none", "passing"):
        severity = WARNING if state == "warning" else CRITICAL
        why = f" ({on.about.consul_detail})" if on.about.consul_detail else ""
        yield Drift(
            "consul", severity, f"Consul is {state} on it{why}", "`consul members` and its journal there"
        )
    if on.datacenter is None or on.datacenter.consul is None:
        return
    remedy = f"`salt {on.id} state.highstate`"
    if state == "none":
        yield Drift("consul", WARNING, f"{on.home} has Consul on all its servers, and it has none", remedy)
    elif missing := _unregistered(on, on.datacenter):
        yield Drift("consul", WARNING, f"not in Consul, as {on.home} asks for: {_listed(missing)}", remedy)


def _unregistered(on: Subject, datacenter: Datacenter) -> list[str]:
    """Return the services that Consul is to have of a server, and has not."""
    if on.about.consul_services is None:
        return []
    member = None
    if on.place and on.spec and not objection(on.spec, on.place, on.about.grains):
        member = Membership(on.place.cluster, on.spec.environment, on.place.role, on.place.pool)
    return sorted({*service_names(datacenter, on.server, member)} - {*on.about.consul_services})


def _certificates(on: Subject) -> Iterator[Drift]:
    for one in on.about.certificates:
        owner = "highstate or the kubelet" if one.name in RENEWED_BY_KUBELET else "k8s.rotate_certs"
        cluster = on.place.cluster if on.place else "CLUSTER"
        remedy = f"`salt-run k8s.certificates {cluster}`; {owner} renews it"
        name = one.name or one.where
        if one.error or not one.whole:
            what = f"{name}: {one.error or 'it does not match its key, or is not of its CA'}"
            yield Drift("certificate", CRITICAL, what, remedy)
        elif one.expires <= on.now:
            yield Drift("certificate", CRITICAL, f"{name} has expired", remedy)
        elif _ends_soon(one, on):
            what = f"{name} expires in {(one.expires - on.now) / DAY:.1f} days"
            yield Drift("certificate", WARNING, what, remedy)


def _ends_soon(one: Certificate, on: Subject) -> bool:
    """A kubelet renews its own: only one that is overdue counts. A short life has a short warning."""
    left = one.expires - on.now
    if one.name in RENEWED_BY_KUBELET and one.begins:
        return on.now > one.begins + (one.expires - one.begins) * KUBELET_OVERDUE
    if one.authority or on.spec is None:
        return left < on.limits.certificate
    return left < min(on.limits.certificate, validity(on.spec) / 3)


def _highstate(on: Subject) -> Iterator[Drift]:
    last = on.about.highstate
    remedy = f"`salt {on.id} state.highstate`"
    if last is None:
        if on.answered and on.named_by:
            what = "no highstate was ever noted on it"
            yield Drift("highstate", WARNING, what, f"{remedy}; is k8s.highstate in top.sls?")
        return
    if last.unfinished and not last.running and on.now - last.unfinished > HIGHSTATE_TAKES:
        what = f"its highstate of {_ago(on.now - last.unfinished)} did not come to its end"
        yield Drift("highstate", WARNING, what, remedy)
    elif last.failures:
        more = ", …" if last.failures > len(last.failed) else ""
        what = f"{last.failures} states of its last highstate failed: {', '.join(last.failed)}{more}"
        yield Drift("highstate", WARNING, what, remedy)
    if last.ended and on.now - last.ended > on.limits.highstate:
        what = f"its last highstate was {_ago(on.now - last.ended)}"
        yield Drift("highstate", WARNING, what, f"{remedy}; does a schedule run it?")


def _twins(on: Subject) -> Iterator[Drift]:
    for what, others in on.twins.items():
        text = f"it has the same {what} as {', '.join(others)}"
        yield Drift("twin", WARNING, text, "a clone? give each its own")


def _ago(seconds: float) -> str:
    return f"{seconds / DAY:.1f} days ago" if seconds > 2 * DAY else f"{seconds / HOUR:.1f} hours ago"


RULES: tuple[Callable[[Subject], Iterator[Drift]], ...] = (
    _key,
    _silence,
    _failed_call,
    _code,
    _unread,
    _clock,
    _claims,
    _datacenter,
    _membership,
    _node,
    _versions,
    _differences,
    _services,
    _consul,
    _certificates,
    _highstate,
    _twins,
)
