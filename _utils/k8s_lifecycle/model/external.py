"""Clusters that somebody else runs: listed, never changed. One YAML file each, beside the specs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from k8s_lifecycle.model import kinds
from k8s_lifecycle.model.documents import named, read_yaml
from k8s_lifecycle.model.schema import Problem, Reader, Section, setting, settings

FOLDER = "external"


@settings
class Access:
    """How the cluster is looked at."""

    minion: str = setting(
        kinds.MINION,
        "The minion id of the server that asks it. It needs `kubectl`, what the kubeconfig calls, and a way "
        "to the endpoint.",
    )
    kubeconfig: str = setting(
        kinds.FILE,
        "The path of a kubeconfig on that server, which may read nodes. The master never sees what is in it.",
    )
    context: str | None = setting(
        kinds.LINE, "The context in the kubeconfig.", default=None, derived="its current one"
    )


@settings
class External:
    """A cluster that somebody else runs."""

    name: str = setting(
        kinds.CLUSTER_NAME,
        "The cluster's name. It is the name of the file; written here too, it must be the same.",
        derived="the name of the file",
    )
    datacenter: str = setting(kinds.IDENTIFIER, "Where it is: a datacenter, or a provider's region.")
    environment: str = setting(kinds.IDENTIFIER, "The environment, such as `prod` or `staging`.")
    provider: str = setting(kinds.LINE, "Who runs it, such as `GKE`.")
    owner: str = setting(kinds.LINE, "Whom to ask about it: a team or a person.")
    endpoint: str = setting(kinds.API_URL, "The URL of its API.")
    version: str | None = setting(
        kinds.VERSION,
        "The Kubernetes version that it should run; a provider's suffix is not compared.",
        default=None,
        derived="any",
    )
    access: Access | None = setting(
        Section(Access, label="how it is looked at"),
        "How its version and nodes are read. Left out, the cluster is listed only.",
        default=None,
    )


@dataclass(frozen=True)
class Externals:
    """All of a site: those that can be used, and what is wrong with the others."""

    clusters: Mapping[str, External] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def select(
        self, cluster: str | None = None, datacenter: str | None = None, environment: str | None = None
    ) -> list[External]:
        """Return those that match everything given."""
        wanted = (cluster, datacenter, environment)
        return [
            one
            for one in self.clusters.values()
            if all(
                want in (None, has)
                for want, has in zip(wanted, (one.name, one.datacenter, one.environment), strict=True)
            )
        ]


def load(directory: Path, taken: Collection[str] = ()) -> Externals:
    """Return those beside the specs of a directory. taken: the names of the clusters that have a spec."""
    found: dict[str, External] = {}
    problems: list[Problem] = []
    for file in sorted((directory / FOLDER).glob("*.y*ml")):
        mapping, mistakes = read_yaml(file)
        cluster, more = (None, []) if mistakes else _read(file.stem, mapping, taken)
        problems += [_beside(problem) for problem in (*mistakes, *more)]
        if cluster:
            found[file.stem] = cluster
    return Externals(found, tuple(problems))


def _read(name: str, mapping: Any, taken: Collection[str]) -> tuple[External | None, list[Problem]]:
    reader = Reader()
    content = named(reader, name, mapping)
    if name in taken:
        reader.fail("name", f"'{name}' has a spec, too", "rename one of the two files")
    cluster = reader.section(External, "", content)
    return None if reader.problems else cluster, [problem.within(name) for problem in reader.problems]


def _beside(problem: Problem) -> Problem:
    return replace(problem, path=f"{FOLDER}/{problem.path}")
