"""Cluster specs: reading them, checking them, finding the one a server belongs to.

The table of settings is in `settings`; what must hold within a cluster is in `rules`, between clusters in
`neighbours`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from k8s_lifecycle.model import documents
from k8s_lifecycle.model.claims import READS
from k8s_lifecycle.model.neighbours import clashes
from k8s_lifecycle.model.rules import check
from k8s_lifecycle.model.schema import BROKEN, Problem, Reader, closest, plain
from k8s_lifecycle.model.settings import ControlPlane, Endpoint, Flannel, Pool, Spec, Taint

__all__ = [
    "Assignment",
    "Catalogue",
    "ControlPlane",
    "Endpoint",
    "Flannel",
    "InvalidSpecError",
    "Pool",
    "Problem",
    "Spec",
    "Taint",
    "from_dict",
    "load",
    "parse",
]


class InvalidSpecError(ValueError):
    """A spec cannot be used; the message has every problem on a line of its own."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Assignment:
    """The place of a server: its cluster, its role, and its pool if it is a worker."""

    cluster: str
    role: str
    pool: str | None


@dataclass(frozen=True)
class Catalogue:
    """All clusters of a site.

    `specs` has those that can be used, `problems` says why others cannot; of those `broken` has the specs
    that still tell which servers they name.
    """

    directory: Path
    specs: Mapping[str, Spec] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: Mapping[str, Spec] = field(default_factory=dict)

    def assignment(self, minion_id: str, grains: Mapping[str, Any] | None = None) -> Assignment | None:
        """Return the place of a server by its minion id; grains, if given, can only take it out of a pool."""
        for name, spec in self.specs.items():
            role = spec.role_of(minion_id, grains)
            if role is not None:
                return Assignment(name, role, spec.pool_of(minion_id, grains))
        return None

    def problems_of(self, cluster: str) -> list[Problem]:
        """Return what is wrong with one cluster."""
        return [problem for problem in self.problems if cluster in problem.clusters]

    def problems_for(self, minion_id: str) -> list[Problem]:
        """Return what is wrong with the clusters that name a server and cannot be used."""
        return [
            problem
            for name, spec in self.broken.items()
            if spec.role_of(minion_id)
            for problem in self.problems_of(name)
        ]

    def spec(self, cluster: str) -> Spec:
        """Return the spec of a cluster; raise InvalidSpecError if none can be used."""
        if cluster in self.specs:
            return self.specs[cluster]
        known = {*self.specs, *(name for problem in self.problems for name in problem.clusters)}
        guess = closest(cluster, known)
        remedy = f"did you mean '{guess}'?" if guess else f"known: {', '.join(sorted(known)) or 'none'}"
        raise InvalidSpecError(
            self.problems_of(cluster) or [Problem(str(self.directory), f"there is no {cluster}.yaml", remedy)]
        )

    def select(
        self, cluster: str | None = None, datacenter: str | None = None, environment: str | None = None
    ) -> list[Spec]:
        """Return the specs that match everything given; or InvalidSpecError for a cluster that has none."""
        specs = list(self.specs.values()) if cluster is None else [self.spec(cluster)]
        return [
            spec
            for spec in specs
            if datacenter in (None, spec.datacenter) and environment in (None, spec.environment)
        ]


def parse(name: str, mapping: Any) -> tuple[Spec | None, list[Problem]]:
    """Return the spec in plain data, or None and everything that is wrong with it."""
    spec, reader = _draft(name, mapping)
    return (None if reader.problems else spec), [problem.within(name) for problem in reader.problems]


def from_dict(mapping: Mapping[str, Any]) -> Spec:
    """Return the spec that `Spec.to_dict` gave; raise InvalidSpecError if it is none."""
    name = str(mapping.get("name"))
    spec, problems = parse(name, mapping)
    if spec is None:
        raise InvalidSpecError(problems)
    return spec


def load(directory: str | Path) -> Catalogue:
    """Return the clusters of a directory with one YAML file each, read again when a file changed."""
    return _load(Path(directory), documents.states(Path(directory)))


@lru_cache(maxsize=8)
def _load(directory: Path, files: tuple[documents.State, ...]) -> Catalogue:
    drafts, problems = documents.drafts(directory, files, "clusters", _draft)
    problems += clashes(drafts)
    bad = {cluster for problem in problems for cluster in problem.clusters}
    return Catalogue(
        directory,
        {name: spec for name, (spec, _) in drafts.items() if name not in bad},
        problems,
        {
            name: spec
            for name, (spec, reader) in drafts.items()
            if name in bad and all(map(reader.is_sound, READS))
        },
    )


def _draft(name: str, mapping: Any) -> tuple[Spec, Reader]:
    """Return a spec in which what is wrong is BROKEN, and the reader that knows why."""
    reader = Reader()
    spec = reader.section(Spec, "", documents.named(reader, name, mapping))
    if spec is not BROKEN:
        check(spec, reader)
    return (spec if reader.problems else _with_derived_defaults(spec)), reader


def _with_derived_defaults(spec: Spec) -> Spec:
    """Return the spec with the defaults filled in that follow from other settings."""
    endpoint, images, addon = spec.control_plane.endpoint, spec.images, spec.network_addon
    if endpoint.host is None:
        endpoint = replace(endpoint, host=endpoint.address)
    if images.pause is None and images.repository is not None:
        images = replace(images, pause=f"{images.repository}/pause:{spec.version.pause}")
    if addon.kind == "flannel":
        addon = replace(addon, values=plain(Reader().section(Flannel, "", addon.values)))
    control_plane = replace(spec.control_plane, endpoint=endpoint)
    return replace(spec, control_plane=control_plane, images=images, network_addon=addon)
