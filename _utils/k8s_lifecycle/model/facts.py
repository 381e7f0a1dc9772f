"""What servers and the API say right now, and nothing remembered from before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from k8s_lifecycle.model.hold import Hold
from k8s_lifecycle.model.kubeadm_config import STARTUP_TAINT
from k8s_lifecycle.model.versions import Version

CONTROL_PLANE_MANIFESTS = frozenset({"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"})


@dataclass(frozen=True)
class Member:
    """One etcd member. One that was added but never started has no name; `hosts` is where its peers look."""

    name: str
    id: str
    learner: bool
    healthy: bool
    hosts: frozenset[str] = frozenset()
    leader: bool = False

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Member:
        """Return the member that `k8s_etcd.members` tells of."""
        hosts = {urlsplit(url).hostname or "" for url in said["peer_urls"]}
        name, number = said["name"], said["id"]
        return cls(
            name, number, said["learner"], said["healthy"], frozenset(hosts), said.get("leader", False)
        )

    def is_of(self, node: str, addresses: Collection[str]) -> bool:
        """Whether this is the member of a server: by its name or, before it has one, by its address."""
        return self.name == node if self.name else not self.hosts.isdisjoint(addresses)


@dataclass(frozen=True)
class Settled:
    """The labels and taints that a node was given for its pool: keys, and keys with effects."""

    labels: frozenset[str]
    taints: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Node:
    """One Node object of the cluster. settled: what provision gave it; None before it did.

    hold: who keeps it out of service.
    """

    name: str
    ready: bool
    version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    unschedulable: bool = False
    settled: Settled | None = None
    hold: Hold | None = None
    addresses: tuple[str, ...] = ()

    @property
    def starts_up(self) -> bool:
        """Whether it is still closed for pods, since its smoke check has not passed."""
        return any(taint["key"] == STARTUP_TAINT for taint in self.taints)


@dataclass(frozen=True)
class Endpoint:
    """The endpoint that a control plane server carries: what it was made for, and each server's address."""

    mark: str
    peers: Mapping[str, str]


@dataclass(frozen=True)
class Claim:
    """Who holds a lock: the run, its fencing number, and the seconds it has left."""

    holder: str
    fence: int
    seconds_left: float

    @property
    def live(self) -> bool:
        """Whether the claim has not expired yet."""
        return self.seconds_left > 0


@dataclass(frozen=True)
class Glimpse:
    """What every control-plane server tells of the cluster that it sees through its own API server."""

    seen_by: str
    version: str
    ca: str
    lease: Claim | None


@dataclass(frozen=True)
class View(Glimpse):
    """A cluster as one control-plane server sees it: the whole of it.

    members: None where etcd did not tell them with a quorum behind it; `etcd_error` says why.
    """

    members: tuple[Member, ...] | None
    etcd_error: str
    nodes: Mapping[str, Node]
    configuration: Mapping[str, Any] | None
    kubelet_configuration: Mapping[str, Any] | None
    phases: Mapping[str, Any]
    auto_approve: bool
    dns_crowded: bool
    admissions: tuple[Mapping[str, Any], ...]

    def member(self, node: str, addresses: Collection[str]) -> Member | None:
        """Return the etcd member of a server, if there is one."""
        return next((member for member in self.members or () if member.is_of(node, addresses)), None)


@dataclass(frozen=True)
class Server:
    """One server as its own minion describes it."""

    id: str
    machine_id: str
    clock: float
    addresses: tuple[str, ...]
    grains: Mapping[str, str]
    packages: Mapping[str, str | None]
    kubelet_active: bool
    containerd_active: bool
    kubeadm: Mapping[str, Any] | None
    ca: str | None
    kubelet_conf: bool
    kubelet_conf_final: bool
    kubelet_config: bool
    bootstrap_kubelet_conf: bool
    admin_conf: bool
    manifests: frozenset[str]
    etcd_data: bool
    endpoint: Endpoint | None
    fence: int
    lock: Claim | None
    api_error: str | None
    code: str

    @property
    def bare(self) -> bool:
        """Whether nothing that kubeadm makes is on this server."""
        credentials = self.kubelet_conf or self.bootstrap_kubelet_conf or self.admin_conf
        return not (self.ca or credentials or self.kubelet_config or self.manifests or self.etcd_data)

    @property
    def authority(self) -> str | None:
        """The CA that this server belongs to; None also where its file is torn and says nothing."""
        return self.ca if self.ca and self.ca.startswith("sha256:") else None

    @property
    def runs_control_plane(self) -> bool:
        """Whether every file that makes a control plane run by itself is here, and its kubelet runs."""
        return (
            self.manifests >= CONTROL_PLANE_MANIFESTS
            and self.kubelet_conf
            and self.kubelet_config
            and self.kubelet_active
        )


@dataclass(frozen=True)
class Facts:
    """One observation of a cluster's servers: who answered what, and who did not answer.

    views: one of each control plane whose API server answers, whole or a glimpse.
    """

    servers: Mapping[str, Server]
    missing: frozenset[str] = frozenset()
    failed: Mapping[str, str] = field(default_factory=dict)
    views: tuple[Glimpse, ...] = ()

    @property
    def cluster(self) -> View | None:
        """The view to plan from: one with an etcd answer where there is one, then by server name."""
        whole = (view for view in self.views if isinstance(view, View))
        return min(whole, key=lambda view: (view.members is None, view.seen_by), default=None)

    @property
    def version(self) -> Version | None:
        """The oldest API server's version: nothing in the cluster may be newer than that."""
        return min((Version.parse(view.version) for view in self.views), default=None)

    @property
    def fence(self) -> int:
        """The highest fencing number that any server or lock has seen."""
        seen = [server.fence for server in self.servers.values()]
        claims = [server.lock for server in self.servers.values()] + [view.lease for view in self.views]
        return max([0, *seen, *(claim.fence for claim in claims if claim)])


def observe(
    answers: Mapping[str, Mapping[str, Any]], missing: frozenset[str], failed: Mapping[str, str]
) -> Facts:
    """Build facts from what `k8s_server.facts` returned on each server.

    answers: the return of each server that answered, by minion id; missing: who did not answer;
    failed: the error of each server on which the call failed.
    """
    servers = {server: _server(server, said) for server, said in answers.items()}
    views = tuple(
        _view(server, said["api"])
        for server, said in sorted(answers.items())
        if said.get("api") and said["api"].get("reachable")
    )
    return Facts(servers, missing, dict(failed), views)


def _server(server: str, said: Mapping[str, Any]) -> Server:
    files = said["files"]
    api = said.get("api")
    return Server(
        id=server,
        machine_id=said["machine_id"],
        clock=said["clock"],
        addresses=tuple(said["addresses"]),
        grains=said.get("grains", {}),
        packages=said["packages"],
        kubelet_active=said["kubelet"]["active"],
        containerd_active=said["containerd"]["active"],
        kubeadm=said["kubeadm"],
        ca=files["ca"],
        kubelet_conf=files["kubelet_conf"],
        kubelet_conf_final=files["kubelet_conf_final"],
        kubelet_config=files["kubelet_config"],
        bootstrap_kubelet_conf=files["bootstrap_kubelet_conf"],
        admin_conf=files["admin_conf"],
        manifests=frozenset(files["manifests"]),
        etcd_data=files["etcd_data"],
        endpoint=Endpoint(**said["endpoint"]) if said["endpoint"] else None,
        fence=said["fence"],
        lock=_claim(said["lock"]),
        api_error=api.get("error") if api else None,
        code=said["code"],
    )


def _view(server: str, api: Mapping[str, Any]) -> Glimpse:
    glimpse = {"seen_by": server, "version": api["version"], "ca": api["ca"], "lease": _claim(api["lease"])}
    if "nodes" not in api:
        return Glimpse(**glimpse)
    etcd = api["etcd"]
    certain = "members" in etcd and etcd.get("quorum", True)
    return View(
        **glimpse,
        members=tuple(Member.read(member) for member in etcd["members"]) if certain else None,
        etcd_error="" if certain else etcd.get("error", "it has no quorum"),
        nodes={node["name"]: _node(node) for node in api["nodes"]},
        configuration=api["cluster_configuration"],
        kubelet_configuration=api["kubelet_configuration"],
        phases=api["phases"],
        auto_approve=api["auto_approve"],
        dns_crowded=api["dns_crowded"],
        admissions=tuple(api["admissions"]),
    )


def _node(said: Mapping[str, Any]) -> Node:
    return Node(
        said["name"],
        said["ready"],
        said["version"],
        said["labels"],
        tuple(said["taints"]),
        said["unschedulable"],
        _settled(said["settled"]),
        Hold.from_dict(said["hold"]) if said.get("hold") else None,
        tuple(said.get("addresses", ())),
    )


def _settled(said: Mapping[str, Any] | None) -> Settled | None:
    if said is None:
        return None
    return Settled(frozenset(said["labels"]), frozenset((key, effect) for key, effect in said["taints"]))


def _claim(said: Mapping[str, Any] | None) -> Claim | None:
    return None if said is None else Claim(said["holder"], said["fence"], said["seconds_left"])
