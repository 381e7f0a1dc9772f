"""The datacenters of a site: reading their files, checking them, finding the one that a server is in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from k8s_lifecycle.model import documents
from k8s_lifecycle.model.claims import Claim, conflicts, overlap
from k8s_lifecycle.model.cluster_metrics import Cluster
from k8s_lifecycle.model.consul import COUCHBASE, COUCHBASE_METRICS, EXPORTERS, OWN_SERVICES
from k8s_lifecycle.model.datacenter import JOBS, Central, Datacenter, Prometheus
from k8s_lifecycle.model.prometheus import GOSSIP_PORT
from k8s_lifecycle.model.schema import BROKEN, Problem, Reader, shown
from k8s_lifecycle.model.settings import Spec, is_glob
from k8s_lifecycle.model.spec import InvalidSpecError

OLDEST_CONSUL = (1, 8, 1)  # the first with node identities
CONSUL_SERVERS = (1, 3, 5)
_ALWAYS_THERE = (*OWN_SERVICES, *(exporter for exporter, _ in EXPORTERS.values()), COUCHBASE_METRICS)


@dataclass(frozen=True)
class Place:
    """The place of a server: its datacenter, and the Consul servers of all others, by datacenter.

    clusters: those of the datacenter, for its Prometheus servers, which ask them. senders: the datacenters
    that send their figures on, for a central Prometheus server, which misses them.
    """

    datacenter: Datacenter
    peers: Mapping[str, list[str]]
    clusters: tuple[Cluster, ...] = ()
    senders: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for the pillar; `Place.from_dict` reads it back."""
        peers = {name: list(addresses) for name, addresses in self.peers.items()}
        clusters = [asdict(cluster) for cluster in self.clusters]
        more = {"clusters": clusters, "senders": list(self.senders)}
        more = {name: found for name, found in more.items() if found}
        return {"name": self.datacenter.name, "spec": self.datacenter.to_dict(), "peers": peers, **more}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Place:
        """Return the place that `to_dict` gave; raise InvalidSpecError if it is none."""
        clusters = (Cluster(**cluster) for cluster in data.get("clusters", ()))
        return cls(from_dict(data["spec"]), data["peers"], tuple(clusters), tuple(data.get("senders", ())))


@dataclass(frozen=True)
class Datacenters:
    """All datacenters of a site: those that can be used, and why others cannot."""

    directory: Path
    usable: Mapping[str, Datacenter] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: Mapping[str, Datacenter] = field(default_factory=dict)

    def place(self, server: str, specs: Iterable[Spec] = ()) -> Place | None:
        """Return the place of a server by its minion id. specs: those of all clusters."""
        found = next((one for one in self.usable.values() if one.has(server)), None)
        if found is None:
            return None
        peers = {
            name: list(one.consul.servers.values())
            for name, one in self.usable.items()
            if one.consul and name != found.name
        }
        return Place(found, peers, _asked(found, server, specs), self._senders(found, server))

    def _senders(self, found: Datacenter, server: str) -> tuple[str, ...]:
        """Return the datacenters that a central Prometheus server hears of; none for any other server."""
        central = found.monitoring.central
        if central is None or server not in central.servers:
            return ()
        return tuple(sorted(name for name, one in {**self.broken, **self.usable}.items() if _sends_on(one)))

    def home(self, server: str) -> str:
        """Return the datacenter that names a server, also one that cannot be used; empty without one."""
        everything = (*self.usable.items(), *self.broken.items())
        return next((name for name, one in everything if one.has(server)), "")

    def named(self) -> set[str]:
        """Return the servers that they name by ids in full; of those that cannot be used, by `servers`."""
        patterns = {one for found in self.broken.values() for one in found.servers}
        patterns |= {one for found in self.usable.values() for one in _patterns(found)}
        return {one for one in patterns if not is_glob(one)}

    def problems_for(self, server: str) -> list[Problem]:
        """Return what is wrong with the datacenters that name a server and cannot be used."""
        concerned = [name for name, one in self.broken.items() if one.has(server)]
        return [problem for problem in self.problems if set(concerned) & set(problem.clusters)]


def _patterns(found: Datacenter) -> Iterator[str]:
    """Yield what its servers are named by; a service may be said to run on servers that are elsewhere."""
    yield from found.servers
    for part in (found.consul, found.monitoring.prometheus, found.monitoring.central):
        yield from part.servers if part else ()
    for service in found.consul.services.values() if found.consul else ():
        yield from filter(found.has, service.servers)


def _asked(found: Datacenter, server: str, specs: Iterable[Spec]) -> tuple[Cluster, ...]:
    """Return the clusters that a Prometheus server asks; none for any other server."""
    prometheus = found.monitoring.prometheus
    if prometheus is None or server not in prometheus.servers:
        return ()
    return tuple(Cluster.of(spec) for spec in specs if spec.datacenter == found.name)


def _sends_on(found: Datacenter) -> bool:
    # Also one whose file has mistakes meanwhile: it goes on with what it had.
    prometheus = getattr(found.monitoring, "prometheus", None)
    return isinstance(getattr(prometheus, "remote_write", None), str)


def misplaced_clusters(found: Datacenters, clusters: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with the clusters that datacenters name. clusters: the datacenter of each."""
    for name, one in found.usable.items():
        for cluster in one.consul.kubernetes if one.consul else ():
            where = clusters.get(cluster)
            if where != name:
                wrong = f"is a cluster of {where}" if where else "there is no cluster of that name"
                remedy = "name a cluster of this datacenter, or leave it out"
                yield Problem(f"consul.kubernetes.{cluster}", wrong, remedy).within(name)


def from_dict(mapping: Mapping[str, Any]) -> Datacenter:
    """Return the datacenter that `Datacenter.to_dict` gave; raise InvalidSpecError if it is none."""
    found, reader = _draft(str(mapping.get("name")), mapping)
    if reader.problems:
        raise InvalidSpecError(reader.problems)
    return found


def load(directory: str | Path) -> Datacenters:
    """Return the datacenters of a directory with one YAML file each, read again when a file changed."""
    return _load(Path(directory), documents.states(Path(directory)))


@lru_cache(maxsize=8)
def _load(directory: Path, files: tuple[documents.State, ...]) -> Datacenters:
    drafts, problems = documents.drafts(directory, files, "datacenters", _draft)
    problems += _clashes(drafts)
    bad = {name for problem in problems for name in problem.clusters}
    return Datacenters(
        directory,
        {name: found for name, (found, _) in drafts.items() if name not in bad},
        problems,
        {
            name: found
            for name, (found, reader) in drafts.items()
            if name in bad and reader.is_sound("servers")
        },
    )


def _draft(name: str, mapping: Any) -> tuple[Datacenter, Reader]:
    """Return a datacenter in which what is wrong is BROKEN, and the reader that knows why."""
    reader = Reader()
    found = reader.section(Datacenter, "", documents.named(reader, name, mapping))
    if found is not BROKEN and not reader.problems:
        for problem in _problems(found):
            reader.report(problem)
    return found, reader


def _problems(found: Datacenter) -> Iterator[Problem]:
    exporter = found.monitoring.node_exporter
    if exporter.basic_auth and not exporter.tls:
        yield Problem(
            "monitoring.node_exporter.basic_auth",
            "without TLS the password would be sent in clear",
            "write tls: true beside it",
        )
    if "textfile" in exporter.collectors:
        yield Problem(
            "monitoring.node_exporter.collectors", "textfile is always there by itself", "leave it out"
        )
    if found.monitoring.prometheus:
        yield from _prometheus(found, found.monitoring.prometheus)
    if found.monitoring.central:
        yield from _central(found, found.monitoring.central)
    if found.consul:
        yield from _consul_version(found.consul.package.version, found)
        yield from _consul_servers(found.consul.servers, found)
        yield from _services(found)
        yield from _names_of_clusters(found)


def _prometheus(found: Datacenter, wanted: Prometheus) -> Iterator[Problem]:
    path = "monitoring.prometheus"
    if not found.consul:
        yield Problem(path, "it learns from Consul whom to ask, and there is none", "write `consul`, too")
    if not wanted.servers:
        yield Problem(f"{path}.servers", "no server is named", "name at least one, or leave out `prometheus`")
    yield from _addresses(f"{path}.servers", wanted.servers, found)
    if wanted.basic_auth and not wanted.tls:
        wrong = "without TLS the password would be sent in clear"
        yield Problem(f"{path}.basic_auth", wrong, "write tls: true beside it")
    if not (wanted.alertmanager.webhook or wanted.alertmanager.email):
        yield Problem(f"{path}.alertmanager", "nobody would be told of alerts", "write webhook or email")
    for job in sorted({*wanted.limits} - {*JOBS}):
        yield Problem(f"{path}.limits.{job}", "there is no such job", f"write one of {', '.join(JOBS)}")
    used = {"node_exporter": found.monitoring.node_exporter.port, "Alertmanager's gossip": GOSSIP_PORT}
    for key, port in (("port", wanted.port), ("alertmanager.port", wanted.alertmanager.port)):
        for user in [name for name, other in used.items() if other == port]:
            yield Problem(f"{path}.{key}", f"{port} is the port of {user}, too", "write another one")
        used["Prometheus"] = port
    if wanted.proxy_port == found.monitoring.node_exporter.port:
        wrong = f"{wanted.proxy_port} is the port of node_exporter, too"
        yield Problem(f"{path}.proxy_port", wrong, "write another one")


def _central(found: Datacenter, wanted: Central) -> Iterator[Problem]:
    path, prometheus = "monitoring.central", found.monitoring.prometheus
    if not prometheus:
        wrong = "it is watched, and its alerts are sent, by the datacenter's own Prometheus servers"
        yield Problem(path, wrong, "write `monitoring.prometheus`, too")
    if not wanted.servers:
        yield Problem(f"{path}.servers", "no server is named", "name at least one, or leave out `central`")
    yield from _addresses(f"{path}.servers", wanted.servers, found)
    for server in sorted({*wanted.servers} & {*(prometheus.servers if prometheus else ())}):
        wrong = "runs the datacenter's own Prometheus already"
        yield Problem(f"{path}.servers.{server}", wrong, "name another server")
    if wanted.port == found.monitoring.node_exporter.port:
        wrong = f"{wanted.port} is the port of node_exporter, too"
        yield Problem(f"{path}.port", wrong, "write another one")


def _consul_version(written: str, found: Datacenter) -> Iterator[Problem]:
    path, oldest = "consul.package.version", ".".join(map(str, OLDEST_CONSUL))
    try:
        too_old = found.consul is not None and found.consul.version < OLDEST_CONSUL
    except ValueError:
        yield Problem(path, f"{shown(written)} has no three numbers", 'write one such as "1.22.1-1"')
        return
    if too_old:
        yield Problem(path, f"{written} is too old: it has no node identities", f"write {oldest} or later")


def _consul_servers(servers: Mapping[str, str], found: Datacenter) -> Iterator[Problem]:
    path = "consul.servers"
    if len(servers) not in CONSUL_SERVERS:
        yield Problem(path, f"{len(servers)} servers are named: Consul needs a majority", "name 1, 3 or 5")
    yield from _addresses(path, servers, found)


def _addresses(path: str, servers: Mapping[str, str], found: Datacenter) -> Iterator[Problem]:
    for server in servers:
        if not found.has(server):
            yield Problem(f"{path}.{server}", "is no server of this datacenter", "add it to `servers`")
    for address, times in Counter(servers.values()).items():
        if times > 1:
            yield Problem(path, f"{times} servers have the address {address}", "write one for each")


def _services(found: Datacenter) -> Iterator[Problem]:
    services = found.consul.services if found.consul else {}
    for name, service in services.items():
        path = f"consul.services.{name}"
        if service.exporter and not found.monitoring.prometheus:
            wrong = "there is no Prometheus that could ask it"
            yield Problem(f"{path}.exporter", wrong, "write `monitoring.prometheus`, too, or leave it out")
        if name in _ALWAYS_THERE:
            yield Problem(path, "is always there by itself", "use another name")
        if (service.check.http is None) == (service.check.tcp is None):
            yield Problem(f"{path}.check", "has not exactly one of http and tcp", "write one of them")
    for kind in (*EXPORTERS, COUCHBASE):
        patterns = [
            Claim(name, f"consul.services.{name}.servers[{index}]", pattern)
            for name, service in services.items()
            if service.exporter == kind
            for index, pattern in enumerate(service.servers)
        ]
        for claim, rivals in conflicts(patterns):
            if others := sorted({rival.cluster for rival in rivals} - {claim.cluster}):
                wrong = f"can name the same servers as {', '.join(others)}, and a server has one of a kind"
                yield Problem(
                    f"consul.services.{claim.cluster}.exporter", wrong, "leave it out of all but one"
                )


def _names_of_clusters(found: Datacenter) -> Iterator[Problem]:
    """What a cluster may call its Services is nobody else's: who has a name gets what is sent to it."""
    clusters = found.consul.kubernetes if found.consul else {}
    owners = [(name, "consul.services") for name in (found.consul.services if found.consul else ())]
    owners += [(name, "what is always there") for name in _ALWAYS_THERE]
    for cluster, names in clusters.items():
        for index, name in enumerate(names):
            if taken := [f"'{other}' of {owner}" for other, owner in owners if overlap(name, other)]:
                wrong = f"'{name}' can be the same name as {taken[0]}"
                yield Problem(f"consul.kubernetes.{cluster}[{index}]", wrong, "give each name once")
        owners += [(name, f"consul.kubernetes.{cluster}") for name in names]


def _clashes(drafts: Mapping[str, tuple[Datacenter, Reader]]) -> Iterator[Problem]:
    sound = {name: found for name, (found, reader) in drafts.items() if reader.is_sound("servers")}
    claims = [
        Claim(name, f"servers[{index}]", pattern)
        for name, found in sound.items()
        for index, pattern in enumerate(found.servers)
    ]
    for claim, rivals in conflicts(claims):
        if other := [rival for rival in rivals if rival.cluster != claim.cluster]:
            yield claim.problem(other).within(claim.cluster)
    seen: dict[str, str] = {}
    for name, (found, reader) in drafts.items():
        if reader.problems or not found.consul:
            continue
        for server, address in found.consul.servers.items():
            if (rival := seen.setdefault(address, name)) != name:
                wrong = f"{address} is also a Consul server's of {rival}"
                yield Problem(f"consul.servers.{server}", wrong, "write its own").within(name)
