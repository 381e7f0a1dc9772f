"""One cluster of the inventory: of ours, or one that somebody else runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from k8s_lifecycle.decision.inventory_drift import CRITICAL, WARNING, Drift
from k8s_lifecycle.decision.inventory_rows import worst
from k8s_lifecycle.model import untrusted
from k8s_lifecycle.model.external import External
from k8s_lifecycle.model.inventory import Overview
from k8s_lifecycle.model.spec import Catalogue


@dataclass(frozen=True)
class Cluster:
    """One cluster. external: whether somebody else runs it: provider and owner then say who.

    version: what it runs; wanted: what it should. nodes, ready: how many; None where nobody told.
    """

    name: str
    datacenter: str
    environment: str
    external: bool
    endpoint: str
    wanted: str
    provider: str = ""
    owner: str = ""
    version: str = ""
    nodes: int | None = None
    ready: int | None = None
    drift: tuple[Drift, ...] = ()

    @property
    def severity(self) -> str:
        """The worst of its differences; empty without any."""
        return worst(self.drift)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "severity": self.severity}


def own(catalogue: Catalogue, name: str, overview: Overview) -> Cluster:
    """Return one of ours, as its control planes tell it."""
    spec = catalogue.specs.get(name)
    if spec:
        endpoint = f"https://{spec.control_plane.endpoint.authority}"
        wanted = spec.kubernetes.version
        return _told(Cluster(name, spec.datacenter, spec.environment, False, endpoint, wanted), overview)
    broken = catalogue.broken[name]
    place = untrusted.text(broken.datacenter), untrusted.text(broken.environment)
    said = "; ".join(str(problem) for problem in catalogue.problems_of(name))
    wrong = Drift("spec", CRITICAL, f"its spec cannot be used: {said}", "`salt-run k8s.validate`")
    return replace(_told(Cluster(name, *place, False, "", ""), overview), drift=(wrong,))


def theirs(one: External, overview: Overview | None) -> Cluster:
    """Return one that somebody else runs. overview: None where nobody looks at it."""
    who = one.provider, one.owner
    found = Cluster(one.name, one.datacenter, one.environment, True, one.endpoint, one.version or "", *who)
    return found if overview is None else _told(found, overview)


def _told(found: Cluster, overview: Overview) -> Cluster:
    remedy = f"ask {found.owner}" if found.external else f"`salt-run k8s.status {found.name}`"
    if overview.error:
        wrong = Drift("API", CRITICAL, f"its API says nothing: {overview.error}", remedy)
        return replace(found, drift=(wrong,))
    ready = sum(node.ready for node in overview.nodes.values())
    seen = replace(found, version=overview.version, nodes=len(overview.nodes), ready=ready)
    return replace(seen, drift=tuple(_drift(seen, remedy)))


def _drift(seen: Cluster, remedy: str) -> Iterator[Drift]:
    plain = seen.version.partition("-")[0].partition("+")[0]  # without a provider's suffix
    if seen.wanted and plain != seen.wanted:
        what = f"it runs {seen.version}, its {'file' if seen.external else 'spec'} says {seen.wanted}"
        yield Drift("version", WARNING, what, remedy)
    if seen.external and seen.nodes != seen.ready:  # a node of ours has a line of its own
        missing = (seen.nodes or 0) - (seen.ready or 0)
        yield Drift("node", WARNING, f"NotReady nodes: {missing} of {seen.nodes}", remedy)
