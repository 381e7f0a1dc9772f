"""What the simulated Kubernetes API keeps: nodes, bootstrap tokens, requests, the lease."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from k8s_lifecycle.model.hold import Hold
from k8s_lifecycle.model.kubeadm_config import STARTUP_TAINT
from simulator.clock import FOREVER

if TYPE_CHECKING:
    from simulator.server import Server

INIT_PHASES = (
    "kubeadm_config",
    "kubelet_config",
    "mark_control_plane",
    "bootstrap_token",
    "coredns",
    "kube_proxy",
)


@dataclass(eq=False)
class Node:
    """One Node object. `checked`: a smoke check has passed on it. `settled`: what its pool gave it.

    unschedulable: whether it is cordoned. hold: who keeps it out of service.
    """

    name: str
    server: Server
    version: str
    labels: dict[str, str] = field(default_factory=dict)
    taints: set[str] = field(default_factory=set)
    checked: bool = False
    settled: dict[str, Any] | None = None
    unschedulable: bool = False
    hold: Hold | None = None


@dataclass(eq=False)
class Pod:
    """A pod of a deployment. ready: when it becomes Ready; gone: when it has ended, once it is evicted."""

    app: str
    node: str
    ready: float
    gone: float = FOREVER


@dataclass
class App:
    """A deployment with a disruption budget. grace: how long a pod of it takes to end."""

    replicas: int
    needed: int
    grace: float = 5.0


@dataclass(eq=False)
class Token:
    """A bootstrap token that an admission carries. `used_by`: the node whose certificate it asked for."""

    id: str
    minion: str
    node: str
    expires: float
    used_by: str = ""


@dataclass(eq=False)
class Request:
    """A kubelet's request for its client certificate, made with a bootstrap token."""

    token: str
    node: str
    approved: bool = False


@dataclass
class Lease:
    """The cluster's lock. Its object stays when it is given back, and remembers the fencing number."""

    holder: str = ""
    fence: int = 0
    until: float = 0

    def to_dict(self, now: float) -> dict[str, Any]:
        """Return it as the lease module does."""
        return {"holder": self.holder, "fence": self.fence, "seconds_left": self.until - now}


@dataclass(eq=False)
class Objects:
    """The objects of one cluster. `recorded`: the nodes whose server and addresses are known."""

    version: str = ""
    phases: set[str] = field(default_factory=set)
    configuration: dict[str, Any] | None = None
    network_addon: str | None = None
    auto_approve: bool = False
    dns_spread: bool = False
    nodes: dict[str, Node] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    recorded: set[str] = field(default_factory=set)
    lease: Lease = field(default_factory=Lease)
    apps: dict[str, App] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)

    @property
    def dns_crowded(self) -> bool:
        """Whether CoreDNS sits on the first node while there is another open one."""
        open_nodes = [node for node in self.nodes.values() if STARTUP_TAINT not in node.taints]
        return "coredns" in self.phases and not self.dns_spread and len(open_nodes) > 1

    def request(self, token: str, node: str) -> Request:
        """Return the request made with a token: a kubelet asks again under the same name after a restart."""
        return self.requests.setdefault(token, Request(token, node))
