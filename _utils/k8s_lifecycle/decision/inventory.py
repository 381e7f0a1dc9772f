"""Every server and cluster, and where they differ: decided from the files and from what was said alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from k8s_lifecycle.decision.inventory_clusters import Cluster, own, theirs
from k8s_lifecycle.decision.inventory_drift import CRITICAL, WARNING, Drift, Limits, Subject, drift
from k8s_lifecycle.decision.inventory_files import Files
from k8s_lifecycle.decision.inventory_rows import Row, row, stamp
from k8s_lifecycle.model import untrusted
from k8s_lifecycle.model.external import External, Externals
from k8s_lifecycle.model.inventory import Description, Node, Overview, Remembered
from k8s_lifecycle.model.spec import Assignment, Spec

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

    files: Files
    answers: Answers
    master: Master
    limits: Limits
    descriptions: Mapping[str, Description]
    overviews: Mapping[str, Overview]
    nodes: Mapping[str, Mapping[str, Node]]
    twins: Mapping[str, Mapping[str, tuple[str, ...]]]


def inventory(files: Files, answers: Answers, master: Master, *, limits: Limits, choice: Choice) -> Inventory:
    """Return the servers that the master knows or a file names, and the clusters, as far as wanted."""
    site = _site(files, answers, master, limits)
    servers = files.servers(master.keys)
    rows = [_row(site, server) for server in servers]
    rows += _strangers(site, {Spec.node_name(server) for server in servers})
    ours = [own(files.catalogue, name, overview) for name, overview in site.overviews.items()]
    others = [theirs(one, answers.external.get(one.name)) for one in choice.of(files.external)]
    return Inventory(
        tuple(sorted(filter(choice.takes, rows), key=_urgency)),
        (*filter(choice.takes, ours), *others),
    )


def asked(files: Files, keys: Mapping[str, str], choice: Choice) -> list[str]:
    """Return whom to ask: who has a key and may be wanted, and all who tell of the clusters concerned.

    Where a server is that no file names, nobody but itself can say.
    """
    found = []
    for server in files.servers(keys):
        place = files.place(server)
        role = place.role if place else "none"
        wanted = role == "control-plane" or choice.role in (None, role)
        if keys.get(server) == "accepted" and wanted and _concerns(files, choice, server, place):
            found.append(server)
    return found


def _concerns(files: Files, choice: Choice, server: str, place: Assignment | None) -> bool:
    if place is None:
        home = files.datacenters.home(server)
        return choice.cluster is None and (not home or choice.datacenter in (None, home))
    spec = files.specs[place.cluster]
    wanted = (choice.cluster, choice.datacenter, choice.environment)
    has = (place.cluster, spec.datacenter, spec.environment)
    return all(want in (None, found) for want, found in zip(wanted, has, strict=True))


def _site(files: Files, answers: Answers, master: Master, limits: Limits) -> _Site:
    descriptions = {server: Description.read(said) for server, said in answers.said.items()}
    overviews = {name: _overview(spec, descriptions) for name, spec in files.specs.items()}
    nodes: dict[str, dict[str, Node]] = {}
    for cluster, overview in overviews.items():
        for node in overview.nodes.values():
            nodes.setdefault(node.name, {})[cluster] = node
    twins = _twins(files, descriptions)
    return _Site(files, answers, master, limits, descriptions, overviews, nodes, twins)


def _overview(spec: Spec, descriptions: Mapping[str, Description]) -> Overview:
    """Return the cluster as its control planes tell it: nobody else is believed. One that answers is best."""
    told = [
        overview
        for server in spec.control_plane.servers
        if server in descriptions and (overview := descriptions[server].overview)
    ]
    silence = Overview(error="no control plane tells of it")
    return min(told, key=lambda overview: bool(overview.error), default=silence)


def _twins(files: Files, descriptions: Mapping[str, Description]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return for each server which others have its machine id, or in its datacenter its address."""
    alike: dict[tuple[str, str], list[str]] = {}
    for server, about in descriptions.items():
        if about.machine_id:
            alike.setdefault(("machine id", about.machine_id), []).append(server)
        if about.addresses:
            mark = f"{about.addresses[0]} {files.datacenters.home(server) or about.grains.get('datacenter')}"
            alike.setdefault(("address", mark), []).append(server)
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for (what, _), group in alike.items():
        for server in group if len(group) > 1 else ():
            others = [other for other in group[: _TWINS_SHOWN + 2] if other != server]
            shown = others[:_TWINS_SHOWN] + (["…"] if others[_TWINS_SHOWN:] else [])
            found.setdefault(server, {})[what] = tuple(shown)
    return found


def _row(site: _Site, server: str) -> Row:
    place = site.files.place(server)
    cluster, home = place.cluster if place else "", site.files.datacenters.home(server)
    remembered = site.master.remembered.get(server, NOTHING)
    answers, seen_by = site.answers, site.nodes.get(Spec.node_name(server), {})
    node_of = cluster if cluster in seen_by else next(iter(seen_by), "")
    subject = Subject(
        server=server,
        place=place,
        spec=site.files.catalogue.specs.get(cluster),
        home=home,
        datacenter=site.files.datacenters.usable.get(home),
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
    return row(subject, site.files.specs.get(cluster), drift(subject))


def _strangers(site: _Site, known: set[str]) -> Iterator[Row]:
    """Yield a row for each node that no server is."""
    for name, seen_by in site.nodes.items():
        for cluster, node in seen_by.items() if name not in known else ():
            subject = Subject(
                server=name,
                place=None,
                spec=None,
                home="",
                datacenter=None,
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
            yield row(subject, site.files.specs[cluster], (Drift("no server", CRITICAL, what, remedy),))


def _urgency(one: Row) -> tuple[Any, ...]:
    order = {CRITICAL: 0, WARNING: 1}.get(one.severity, 2)
    days = one.certificate_days if one.certificate_days is not None else float("inf")
    return order, days, one.datacenter, one.cluster, one.server
