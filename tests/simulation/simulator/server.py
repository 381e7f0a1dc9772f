"""A simulated server: what is on its disk, what runs on it, and what a power cut leaves of both."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from simulator.clock import Process

UNREADABLE = "unreadable"
FLUSHED_AFTER = 5.0
TORN = 0.5
STATIC_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Ask:
    """That a server asks to join: how often it did, when last, and what it was told last."""

    times: int
    at: float
    answer: str = ""


@dataclass
class Leaves:
    """The leaf certificates of a control plane. issued: when. staged: whether newer ones lie ready.

    mixed: whether some of those are put into place already, and others are not. backups: when those were
    issued that were kept, by the name of the back-up.
    """

    issued: float = 0.0
    staged: float | None = None
    mixed: bool = False
    backups: dict[str, float] = field(default_factory=dict)


@dataclass
class Disk:
    """What survives a power cut.

    etcd_member: the id of the etcd member whose data is here. etcd_manifest: "new" founds a cluster,
    "existing" joins one. bootstrap_token: the one in bootstrap-kubelet.conf. torn: files that are there, but
    were not written out when the power went. endpoint: the control planes that its keepalived knows.
    """

    version: str | None = None
    ca: str | None = None
    ca_key: bool = False
    certificates: bool = False
    admin_conf: bool = False
    kubelet_conf: bool = False
    kubelet_conf_final: bool = False
    kubelet_config: bool = False
    bootstrap_token: str | None = None
    manifests: set[str] = field(default_factory=set)
    etcd_manifest: str | None = None
    etcd_member: str | None = None
    torn: set[str] = field(default_factory=set)
    fence: int = 0
    lock: dict[str, Any] | None = None
    endpoint: dict[str, str] | None = None
    ask: Ask | None = None
    leaves: Leaves = field(default_factory=Leaves)

    @property
    def pods(self) -> set[str]:
        """The static pods whose manifests are whole."""
        return {pod for pod in self.manifests if pod not in self.torn}

    @property
    def credential(self) -> bool:
        """Whether a kubelet can log in, or ask for a certificate."""
        return (self.kubelet_conf and "kubelet_conf" not in self.torn) or (
            self.bootstrap_token is not None and "bootstrap_token" not in self.torn
        )

    @property
    def starts_kubelet(self) -> bool:
        """Whether a kubelet that is started stays up."""
        return self.kubelet_config and "kubelet_config" not in self.torn and self.credential

    @property
    def final(self) -> bool:
        """Whether kubelet.conf leads to the certificate that the kubelet renews."""
        return self.kubelet_conf_final and self.node_credential

    @property
    def node_credential(self) -> bool:
        """Whether a kubelet can log in as its node."""
        return self.kubelet_conf and "kubelet_conf" not in self.torn


@dataclass
class Kubeadm:
    """The kubeadm that runs, or ran last, since the server booted."""

    verb: str
    since: float
    process: Process | None = None
    running: bool = True
    error: str = ""


@dataclass(eq=False)
class Server:
    """One server. `silent`: its minion hears nothing and is not heard, everything else goes on."""

    id: str
    address: str
    disk: Disk = field(default_factory=Disk)
    code: str | None = "simulated"
    powered: bool = True
    silent: bool = False
    etcd_mute: float = 0
    boots: int = 1
    pods: set[str] = field(default_factory=set)
    kubelet_active: bool = False
    last_seen: float = float("-inf")
    kubelet: list[Process] = field(default_factory=list)
    jobs: dict[Process, Any] = field(default_factory=dict)
    detached: list[Process] = field(default_factory=list)
    kubeadm: Kubeadm | None = None
    admission_key: str | None = None
    written: dict[str, float] = field(default_factory=dict)
    shown: float = 0.0
    components_started: float = 0.0
    refuses_to_start: bool = False

    @property
    def in_flux(self) -> bool:
        """Whether not all that runs here runs with the certificates that are in place."""
        leaves = self.disk.leaves
        stale = leaves.issued not in (0.0, self.shown) or self.components_started < leaves.issued
        return leaves.mixed or stale

    @property
    def hears(self) -> bool:
        """Whether its minion takes a job now."""
        return self.powered and not self.silent

    @property
    def kubeadm_runs(self) -> bool:
        """Whether a kubeadm changes this server now."""
        return self.kubeadm is not None and self.kubeadm.running

    def write(self, piece: str, value: Any, now: float) -> None:
        """Write one piece; for some seconds a power cut may still tear it."""
        setattr(self.disk, piece, value)
        self.disk.torn.discard(piece)
        self.written[piece] = now

    def write_manifest(self, pod: str, now: float) -> None:
        """Write a static pod's manifest."""
        self.disk.manifests.add(pod)
        self.disk.torn.discard(pod)
        self.written[pod] = now

    def flush(self) -> None:
        """Put everything that was written on disk."""
        self.written.clear()

    def stop_kubelet(self, now: float) -> None:
        """Stop the kubelet; its pods go on."""
        for process in self.kubelet:
            process.kill()
        self.kubelet.clear()
        if self.kubelet_active:
            self.last_seen = now
        self.kubelet_active = False

    def lose_power(self, now: float, chance: random.Random | None) -> None:
        """Stop everything at once; what was just written is torn by chance."""
        self.stop_kubelet(now)
        processes = [*self.jobs, *self.detached]
        if self.kubeadm and self.kubeadm.process:
            self.kubeadm.running = False
            processes.append(self.kubeadm.process)
        for process in processes:
            process.kill()
        self.jobs.clear()
        self.detached.clear()
        self.pods.clear()
        self.powered, self.kubeadm, self.admission_key = False, None, None
        if chance:
            self._tear(now, chance)
        self.written.clear()

    def _tear(self, now: float, chance: random.Random) -> None:
        """Manifests stay whole: facts list them by name, so that a torn one is beyond any plan."""
        fresh = {piece for piece, when in self.written.items() if now - when < FLUSHED_AFTER}
        for piece in sorted(fresh - self.disk.manifests):
            if chance.random() < TORN:
                self.disk.torn.add(piece)
                if piece == "ca":
                    self.disk.ca = UNREADABLE
