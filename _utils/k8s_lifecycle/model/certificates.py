"""Certificates of servers as they report them, and which of them are to be renewed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from k8s_lifecycle.model.leaves import seconds
from k8s_lifecycle.model.settings import Spec

DAY = 86400.0
NEAR = 30 * DAY
KUBELET_CLIENT = "kubelet-client-current.pem"
# What a component reads when it starts, and never again.
READ_ONCE = {"kube-controller-manager": "controller-manager.conf", "kube-scheduler": "scheduler.conf"}
RENEWED_BY_KUBELET = frozenset({KUBELET_CLIENT, "kubelet-server-current.pem"})


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
        )


@dataclass(frozen=True)
class Pki:
    """All certificates of one server."""

    files: tuple[Certificate, ...]
    served: tuple[Certificate, ...]
    started: Mapping[str, float]
    external_ca: bool
    staged: bool

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Pki:
        """Return what `k8s_pki.report` tells of a server."""
        files = tuple(Certificate.read(one) for one in said["files"])
        served = tuple(Certificate.read(one) for one in said["served"])
        return cls(files, served, said["started"], said["external_ca"], said["staged"])

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

    def kubelet_expired(self, now: float) -> bool:
        """Whether the kubelet cannot renew its client certificate any more, since it has expired."""
        found = self.file(KUBELET_CLIENT) or self.file("kubelet.conf")
        return found is not None and found.expires <= now


def validity(spec: Spec) -> float:
    """Return for how many seconds kubeadm makes a leaf certificate valid."""
    return seconds(str(spec.kubeadm.cluster.get("certificateValidityPeriod", "8760h")))


def is_due(certificate: Certificate, spec: Spec, now: float, older_than: float) -> bool:
    """Whether a leaf certificate is to be renewed: it is not whole, expires soon, or is older than asked.

    kubeadm gives a kubeconfig's certificate the beginning of its CA, so that only its end tells its age.
    """
    left, whole_life = certificate.expires - now, validity(spec)
    return not certificate.whole or left < min(NEAR, whole_life / 3) or left < whole_life - older_than
