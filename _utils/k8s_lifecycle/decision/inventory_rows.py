"""One server of the inventory, flat: a line of a table, of a CSV file, of the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from k8s_lifecycle.decision.inventory_drift import CRITICAL, HOUR, WARNING, Drift, Subject
from k8s_lifecycle.model import untrusted
from k8s_lifecycle.model.certificates import DAY
from k8s_lifecycle.model.inventory import Node
from k8s_lifecycle.model.spec import Spec


@dataclass(frozen=True)
class Row:
    """One server. Empty or None is what is not known.

    state: `answers`, `silent`, `failed` (the call did), `not asked`, `no key`, or `unknown` (a node that is
    no server).
    remembered: whether what is shown is not from now but from the master's cache.
    """

    server: str
    datacenter: str
    environment: str
    cluster: str
    role: str
    pool: str
    state: str
    key: str
    seen: str
    remembered: bool
    addresses: tuple[str, ...]
    virtual: str
    manufacturer: str
    model: str
    serial: str
    cores: int | None
    memory_gib: float | None
    disks: tuple[str, ...]
    os: str
    kernel: str
    kubelet: str
    containerd: str
    salt: str
    node: str
    schedulable: bool | None
    hold: str
    certificate: str
    certificate_expires: str
    certificate_days: float | None
    agent: str
    consul: str
    highstate: str
    highstate_at: str
    highstate_hours: float | None
    drift: tuple[Drift, ...] = ()

    @property
    def severity(self) -> str:
        """The worst of its differences; empty without any."""
        return worst(self.drift)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "severity": self.severity}


def worst(found: tuple[Drift, ...]) -> str:
    """Return the worst severity of some differences; empty for none."""
    severities = {one.severity for one in found}
    return next((severity for severity in (CRITICAL, WARNING) if severity in severities), "")


def stamp(moment: float | None) -> str:
    """Return a time in UTC, to the second; empty for none."""
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def row(on: Subject, spec: Spec | None, drift: tuple[Drift, ...]) -> Row:
    """Return the line of a server. spec: that of its cluster, also one that cannot be used."""
    about, hardware, last = on.about, on.about.hardware, on.about.highstate
    whole = [one for one in about.certificates if not one.error]
    first = min(whole, key=lambda one: one.expires, default=None)
    return Row(
        server=untrusted.text(on.server),
        datacenter=untrusted.text(spec.datacenter) if spec else on.home or about.grains.get("datacenter", ""),
        environment=untrusted.text(spec.environment) if spec else about.grains.get("environment", ""),
        cluster=on.place.cluster if on.place else on.node_of,
        role=on.place.role if on.place else "",
        pool=(on.place.pool if on.place else None) or "",
        state=_state(on),
        key=on.key,
        seen=stamp(on.now) if on.answered else on.seen,
        remembered=not on.answered and bool(on.seen),
        addresses=about.addresses or (on.node.addresses if on.node else ()),
        virtual=hardware.virtual,
        manufacturer=hardware.manufacturer,
        model=hardware.model,
        serial=hardware.serial,
        cores=hardware.cores,
        memory_gib=None if hardware.memory is None else round(hardware.memory / 2**30, 1),
        disks=tuple(f"{disk.name} {disk.size / 1e9:.0f} GB" for disk in hardware.disks),
        os=about.os or (on.node.os if on.node else ""),
        kernel=about.kernel or (on.node.kernel if on.node else ""),
        kubelet=on.node.version if on.node else about.versions.get("kubelet", ""),
        containerd=about.versions.get("containerd", ""),
        salt=about.versions.get("salt", ""),
        node="" if on.node is None else "Ready" if on.node.ready else "NotReady",
        schedulable=None if on.node is None else not on.node.unschedulable,
        hold=_hold(on.node),
        certificate=first.name if first else "",
        certificate_expires=stamp(first.expires) if first else "",
        certificate_days=round((first.expires - on.now) / DAY, 1) if first else None,
        agent=about.services.get("node_exporter", ""),
        consul=about.consul,
        highstate=_result(on),
        highstate_at=stamp(last.ended) if last else "",
        highstate_hours=round((on.now - last.ended) / HOUR, 1) if last and last.ended else None,
        drift=drift,
    )


def _state(on: Subject) -> str:
    if on.answered:
        return "answers"
    if on.node_of and not on.place and on.key == "none":
        return "unknown"
    if on.key != "accepted":
        return "no key"
    return "silent" if on.silent else "failed" if on.error else "not asked"


def _hold(node: Node | None) -> str:
    hold = node.hold if node else None
    return f"{hold.operation} by {hold.who} until {hold.until}: {hold.reason}" if hold else ""


def _result(on: Subject) -> str:
    last = on.about.highstate
    if last is None:
        return ""
    if last.unfinished:
        return "running" if last.running else "unfinished"
    return f"{last.failures} failed" if last.failures else "ok"
