"""Every server and cluster, and where they differ: decided from the specs and from what was said alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from k8s_lifecycle.decision.inventory_clusters import Cluster, own, theirs
from k8s_lifecycle.decision.inventory_drift import CRITICAL, WARNING, Drift, Limits, Subject, drift
from k8s_lifecycle.decision.inventory_rows import Row, row, stamp
from k8s_lifecycle.model import untrusted
from k8s_lifecycle.model.external import External, Externals
from k8s_lifecycle.model.inventory import Description, Node, Overview, Remembered
from k8s_lifecycle.model.spec import Assignment, Catalogue, Spec

ROLES = ("control-plane", "worker", "spare", "none")
NOTHING = Remembered(Description(), None)
_TWINS_SHOWN = 3


@dataclass(frozen=True)
class Answers:
    """What became of the calls: what was said, and why nothing was.

    external: what clusters that others run said, by their names; one that nobody looks at is not in it.
    asked, now: when, seconds since the epoch.
    """

    said: Mapping[str, Any]
    silent: Mapping[str, str]
    failed: Mapping[str, str]
    external: Mapping[str, Overview]
    asked: float
    now: float


@dataclass(frozen=True)
class Master:
    """What the master itself has: its keys by their state, what it remembers of servers, its code."""

    keys: Mapping[str, str]
    remembered: Mapping[str, Remembered]
    code: str


@dataclass(frozen=True)
class Choice:
    """Which servers and clusters are wanted; None: all."""

    datacenter: str | None = None
    environment: str | None = None
    cluster: str | None = None
    role: str | None = None

    def of(self, external: Externals) -> list[External]:
        """Return the clusters that others run, of those that are wanted."""
        return external.select(self.cluster, self.datacenter, self.environment)

    def takes(self, one: Row | Cluster) -> bool:
        """Whether a row, or a cluster, is wanted."""
        name, role = (one.cluster, one.role or "none") if isinstance(one, Row) else (one.name, self.role)
        wanted = (self.datacenter, self.environment, self.cluster, self.role)
        has = (one.datacenter, one.environment, name, role)
        return all(want in (None, found) for want, found in zip(wanted, has, strict=True))


@dataclass(frozen=True)
class Inventory:
    """The rows, what is critical first and then what expires first, and the clusters."""

    rows: tuple[Row, ...]
    clusters: tuple[Cluster, ...]

    @property
    def drifts(self) -> bool:
        """Whether anything is not what it should be."""
        return any(one.severity for one in self.rows) or any(one.severity for one in self.clusters)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "servers": [one.to_dict() for one in self.rows],
            "clusters": [one.to_dict() for one in self.clusters],
        }


@dataclass(frozen=True)
class _Site:
    """What all rows are made from. overviews: of each of our clusters. nodes: by name, then by cluster."""

    specs: Mapping[str, Spec]
    usable: Mapping[str, Spec]
    answers: Answers
    master: Master
    limits: Limits
    descriptions: Mapping[str, Description]
    overviews: Mapping[str, Overview]
    nodes: Mapping[str, Mapping[str, Node]]
    twins: Mapping[str, Mapping[str, tuple[str, ...]]]


def inventory(
    catalogue: Catalogue,
    external: Externals,
    answers: Answers,
    master: Master,
    *,
    limits: Limits,
    choice: Choice,
) -> Inventory:
    """Return the servers that the master knows or a spec names, and the clusters, as far as wanted."""
    site = _site(catalogue, answers, master, limits)
    places = {server: place_of(catalogue, server) for server in servers(catalogue, master.keys)}
    rows = [_row(site, server, place) for server, place in places.items()]
    rows += _strangers(site, {Spec.node_name(server) for server in places})
    ours = [own(catalogue, name, overview) for name, overview in site.overviews.items()]
    others = [theirs(one, answers.external.get(one.name)) for one in choice.of(external)]
    return Inventory(
        tuple(sorted(filter(choice.takes, rows), key=_urgency)),
        (*filter(choice.takes, ours), *others),
    )


def servers(catalogue: Catalogue, keys: Mapping[str, str]) -> list[str]:
    """Return the ids of accepted keys, of what a spec names, and of keys that wait and have a place.

    A key that nobody has accepted is anybody's: one that no spec allows is not worth a line.
    """
    named = {server for spec in _specs(catalogue).values() for server in _named(spec)}
    known = {one for one, state in keys.items() if state == "accepted" or place_of(catalogue, one)}
    return sorted(named | known)


def asked(catalogue: Catalogue, keys: Mapping[str, str], choice: Choice) -> list[str]:
    """Return whom to ask: who has a key and may be wanted, and all who tell of the clusters concerned.

    Where a server without a place is, nobody but itself can say.
    """
    found = []
    for server in servers(catalogue, keys):
        place = place_of(catalogue, server)
        role = place.role if place else "none"
        wanted = role == "control-plane" or choice.role in (None, role)
        if keys.get(server) == "accepted" and wanted and _concerns(catalogue, choice, place):
            found.append(server)
    return found


def _concerns(catalogue: Catalogue, choice: Choice, place: Assignment | None) -> bool:
    if place is None:
        return choice.cluster is None
    spec = _specs(catalogue)[place.cluster]
    wanted = (choice.cluster, choice.datacenter, choice.environment)
    has = (place.cluster, spec.datacenter, spec.environment)
    return all(want in (None, found) for want, found in zip(wanted, has, strict=True))


def place_of(catalogue: Catalogue, server: str) -> Assignment | None:
    """Return the place of a server by its minion id, also where the spec of its cluster cannot be used."""
    for name, spec in _specs(catalogue).items():
        if role := spec.role_of(server):
            return Assignment(name, role, spec.pool_of(server))
    return None


def _specs(catalogue: Catalogue) -> dict[str, Spec]:
    return {**catalogue.specs, **catalogue.broken}


def _named(spec: Spec) -> Iterator[str]:
    """Yield the ids that a spec has in full, no globs."""
    yield from spec.control_plane.servers
    for patterns in (*(pool.servers for pool in spec.pools.values()), spec.spares):
        yield from (one for one in patterns if "*" not in one and "?" not in one)


def _site(catalogue: Catalogue, answers: Answers, master: Master, limits: Limits) -> _Site:
    descriptions = {server: Description.read(said) for server, said in answers.said.items()}
    specs = _specs(catalogue)
    overviews = {name: _overview(spec, descriptions) for name, spec in specs.items()}
    nodes: dict[str, dict[str, Node]] = {}
    for cluster, overview in overviews.items():
        for node in overview.nodes.values():
            nodes.setdefault(node.name, {})[cluster] = node
    twins = _twins(descriptions)
    usable = catalogue.specs
    return _Site(specs, usable, answers, master, limits, descriptions, overviews, nodes, twins)


def _overview(spec: Spec, descriptions: Mapping[str, Description]) -> Overview:
    """Return the cluster as its control planes tell it: nobody else is believed. One that answers is best."""
    told = [
        overview
        for server in spec.control_plane.servers
        if server in descriptions and (overview := descriptions[server].overview)
    ]
    silence = Overview(error="no control plane tells of it")
    return min(told, key=lambda overview: bool(overview.error), default=silence)


def _twins(descriptions: Mapping[str, Description]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return for each server which others have its machine id, or in its datacenter its address."""
    alike: dict[tuple[str, str], list[str]] = {}
    for server, about in descriptions.items():
        if about.machine_id:
            alike.setdefault(("machine id", about.machine_id), []).append(server)
        if about.addresses:
            mark = f"{about.addresses[0]} {about.grains.get('datacenter')}"
            alike.setdefault(("address", mark), []).append(server)
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for (what, _), group in alike.items():
        for server in group if len(group) > 1 else ():
            others = [other for other in group[: _TWINS_SHOWN + 2] if other != server]
            shown = others[:_TWINS_SHOWN] + (["…"] if others[_TWINS_SHOWN:] else [])
            found.setdefault(server, {})[what] = tuple(shown)
    return found


def _row(site: _Site, server: str, place: Assignment | None) -> Row:
    cluster = place.cluster if place else ""
    remembered = site.master.remembered.get(server, NOTHING)
    answers, seen_by = site.answers, site.nodes.get(Spec.node_name(server), {})
    node_of = cluster if cluster in seen_by else next(iter(seen_by), "")
    subject = Subject(
        server=server,
        place=place,
        spec=site.usable.get(cluster),
        key=site.master.keys.get(server, "none"),
        answered=server in site.descriptions,
        silent=server in answers.silent,
        error=untrusted.text(answers.silent.get(server) or answers.failed.get(server)),
        seen=stamp(remembered.seen),
        about=site.descriptions.get(server, remembered.description),
        code=site.master.code,
        node=seen_by.get(node_of),
        node_of=node_of,
        looked=cluster in site.overviews and not site.overviews[cluster].error,
        asked=answers.asked,
        now=answers.now,
        limits=site.limits,
        twins=site.twins.get(server, {}),
    )
    return row(subject, site.specs.get(cluster), drift(subject))


def _strangers(site: _Site, known: set[str]) -> Iterator[Row]:
    """Yield a row for each node that no server is."""
    for name, seen_by in site.nodes.items():
        for cluster, node in seen_by.items() if name not in known else ():
            subject = Subject(
                server=name,
                place=None,
                spec=None,
                key="none",
                answered=False,
                silent=False,
                error="",
                seen="",
                about=Description(),
                code=site.master.code,
                node=node,
                node_of=cluster,
                looked=True,
                asked=site.answers.asked,
                now=site.answers.now,
                limits=site.limits,
            )
            what = f"{cluster} has this node, and the master knows no such server"
            remedy = "accept the key of its minion, or drain and delete the node"
            yield row(subject, site.specs[cluster], (Drift("no server", CRITICAL, what, remedy),))


def _urgency(one: Row) -> tuple[Any, ...]:
    order = {CRITICAL: 0, WARNING: 1}.get(one.severity, 2)
    days = one.certificate_days if one.certificate_days is not None else float("inf")
    return order, days, one.datacenter, one.cluster, one.server
