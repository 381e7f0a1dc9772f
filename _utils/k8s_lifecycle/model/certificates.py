"""Certificates of servers as they report them, and which of them are to be renewed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8s_lifecycle.model.leaves import seconds
from k8s_lifecycle.model.settings import Spec

DAY = 86400.0
NEAR = 30 * DAY
# The kubelet renews its certificate when 70 to 90 % of its life are over: an older one was not renewed.
KUBELET_OVERDUE = 0.95
KUBELET_CLIENT = "kubelet-client-current.pem"
# What a component reads when it starts, and never again.
READ_ONCE = {"kube-controller-manager": "controller-manager.conf", "kube-scheduler": "scheduler.conf"}
RENEWED_BY_KUBELET = frozenset({KUBELET_CLIENT, "kubelet-server-current.pem", "kubelet.conf"})


@dataclass(frozen=True)
class Certificate:
    """One certificate in a file, or as a port shows it. written: when its file was, seconds since the epoch.

    whole: whether it can be read, matches its key, and the cluster's CA has signed it.
    """

    name: str
    where: str
    expires: float
    fingerprint: str
    subject: str
    issuer: str
    sans: tuple[str, ...]
    authority: bool = False
    whole: bool = True
    written: float = 0.0
    error: str = ""
    begins: float = 0.0

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Certificate:
        """Return the certificate that `k8s_pki.report` tells of."""
        return cls(
            said["name"],
            said["where"],
            said.get("expires", 0.0),
            said.get("fingerprint", ""),
            said.get("subject", ""),
            said.get("issuer", ""),
            tuple(said.get("sans", ())),
            said.get("authority", False),
            said.get("whole", True),
            said.get("written", 0.0),
            said.get("error", ""),
            said.get("begins", 0.0),
        )


@dataclass(frozen=True)
class Pki:
    """All certificates of one server.

    started: when each component did. healthy: the components that say they are. kubelet: whether kubelet.conf
    is there (configured), leads to a whole certificate (whole), or is being asked for (bootstrapping).
    external: the CAs whose keys are elsewhere. staged: whether a renewal was cut off.
    """

    files: tuple[Certificate, ...]
    served: tuple[Certificate, ...]
    started: Mapping[str, float]
    healthy: frozenset[str] = frozenset()
    kubelet: Mapping[str, bool] = field(default_factory=dict)
    external: tuple[str, ...] = ()
    staged: bool = False

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Pki:
        """Return what `k8s_pki.report` tells of a server."""
        files = tuple(Certificate.read(one) for one in said["files"])
        served = tuple(Certificate.read(one) for one in said["served"])
        healthy, external = frozenset(said["healthy"]), tuple(said["external"])
        return cls(files, served, said["started"], healthy, said["kubelet"], external, said["staged"])

    @property
    def leaves(self) -> Iterator[Certificate]:
        """Those that an operation renews: not the CAs', nor those that the kubelet renews by itself."""
        return (one for one in self.files if not one.authority and one.name not in RENEWED_BY_KUBELET)

    def file(self, name: str) -> Certificate | None:
        """Return the certificate in a file, by its name."""
        return next((one for one in self.files if one.name == name), None)

    def stale(self) -> list[str]:
        """Return what still runs with a certificate from before: components, and ports."""
        components = [
            component
            for component, name in READ_ONCE.items()
            if (found := self.file(name)) and self.started.get(component, found.written) < found.written
        ]
        ports = [
            one.where
            for one in self.served
            if (found := self.file(one.name))
            and one.name not in RENEWED_BY_KUBELET
            and found.fingerprint != one.fingerprint
        ]
        return components + ports

    def expired(self, now: float) -> list[Certificate]:
        """Return the leaf certificates that are not valid any more."""
        return [one for one in self.leaves if one.expires <= now]

    def torn(self) -> list[Certificate]:
        """Return the leaf certificates that are not whole."""
        return [one for one in self.leaves if not one.whole]

    def kubelet_needs(self, now: float) -> str:
        """Return why the kubelet cannot renew its client certificate by itself; empty where it can."""
        found = self.file(KUBELET_CLIENT)
        if self.kubelet.get("bootstrapping"):
            return "it was to ask for a certificate, and has not got it"
        if not (self.kubelet.get("configured", True) and self.kubelet.get("whole", True)):
            return "it has no whole credentials"
        if found is None:
            return ""
        if found.expires <= now:
            return "its client certificate has expired"
        life = found.expires - found.begins
        return (
            "it has not renewed its client certificate" if now > found.begins + life * KUBELET_OVERDUE else ""
        )


def validity(spec: Spec) -> float:
    """Return for how many seconds kubeadm makes a leaf certificate valid."""
    return seconds(str(spec.kubeadm.cluster.get("certificateValidityPeriod", "8760h")))


def is_due(certificate: Certificate, spec: Spec, now: float, made_before: float = float("-inf")) -> bool:
    """Whether a leaf certificate is to be renewed: not whole, expiring soon, or made before a moment.

    kubeadm gives a kubeconfig's certificate the beginning of its CA: only its end tells when it was made.
    """
    life = validity(spec)
    soon = certificate.expires - now < min(NEAR, life / 3)
    return not certificate.whole or soon or certificate.expires - life < made_before
