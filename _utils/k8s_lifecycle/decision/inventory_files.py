"""What the files of a site say of its servers, by their minion ids: which there are, and where each is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from k8s_lifecycle.model.datacenters import Datacenters
from k8s_lifecycle.model.external import Externals
from k8s_lifecycle.model.schema import Problem
from k8s_lifecycle.model.settings import is_glob
from k8s_lifecycle.model.spec import Assignment, Catalogue, Spec


@dataclass(frozen=True)
class Files:
    """The clusters, those that others run, and the datacenters."""

    catalogue: Catalogue
    external: Externals
    datacenters: Datacenters

    @property
    def specs(self) -> dict[str, Spec]:
        """The specs by their clusters, also those that cannot be used and still name servers."""
        return {**self.catalogue.specs, **self.catalogue.broken}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the files."""
        return (*self.catalogue.problems, *self.external.problems, *self.datacenters.problems)

    def place(self, server: str) -> Assignment | None:
        """Return the place of a server, also where the spec of its cluster cannot be used."""
        for name, spec in self.specs.items():
            if role := spec.role_of(server):
                return Assignment(name, role, spec.pool_of(server))
        return None

    def servers(self, keys: Mapping[str, str]) -> list[str]:
        """Return the ids of accepted keys, of what a file names, and of keys that wait and have a place.

        A key that nobody has accepted is anybody's: one that no file allows is not worth a line.
        """
        named = {server for spec in self.specs.values() for server in _named(spec)}
        known = {one for one, state in keys.items() if state == "accepted" or self._allows(one)}
        return sorted(named | known | self.datacenters.named())

    def _allows(self, server: str) -> bool:
        return bool(self.place(server) or self.datacenters.home(server))


def _named(spec: Spec) -> Iterator[str]:
    """Yield the ids that a spec has in full, no globs."""
    yield from spec.control_plane.servers
    for patterns in (*(pool.servers for pool in spec.pools.values()), spec.spares):
        yield from (one for one in patterns if not is_glob(one))
