"""Which places of the specs name which servers, and where two of them can name the same one."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from k8s_lifecycle.model.schema import Problem
from k8s_lifecycle.model.settings import Spec, is_glob

READS = ("control_plane.servers", "pools.*.servers", "spares")


@dataclass(frozen=True)
class Claim:
    """One id or glob in one list of a spec."""

    cluster: str
    path: str
    pattern: str

    @property
    def is_glob(self) -> bool:
        """Whether the pattern can name more than one server: `*` is any text, `?` any one character."""
        return is_glob(self.pattern)

    def problem(self, rivals: list["Claim"]) -> Problem:
        """Return what is wrong with this claim beside others that can name the same server."""
        rival = rivals[0]
        file = f"{rival.cluster}.yaml " if rival.cluster != self.cluster else ""
        more = f" and {len(rivals) - 1} more" if len(rivals) > 1 else ""
        verb = "can name the same servers as" if self.is_glob else "is the same server as"
        return Problem(
            self.path,
            f"'{self.pattern}' {verb} '{rival.pattern}' in {file}{rival.path}{more}",
            "write narrower globs" if self.is_glob else "list a server once: it has one place in one cluster",
        )


def claims(spec: Spec) -> list[Claim]:
    """Return every id and glob of a cluster, control planes first."""
    pools = [(f"pools.{name}.servers", pool.servers) for name, pool in spec.pools.items()]
    groups = [("control_plane.servers", spec.control_plane.servers), *pools, ("spares", spec.spares)]
    return [
        Claim(spec.name, f"{path}[{index}]", pattern)
        for path, patterns in groups
        for index, pattern in enumerate(patterns)
    ]


def conflicts(everything: Iterable[Claim]) -> Iterator[tuple[Claim, list[Claim]]]:
    """Yield each claim that others stand in the way of, with those others.

    Ids are compared in lower case, since that is what node names are made of.
    """
    ids: dict[str, Claim] = {}
    globs: list[Claim] = []
    for claim in everything:
        if claim.is_glob:
            globs.append(claim)
        elif (rival := ids.setdefault(claim.pattern.lower(), claim)) is not claim:
            yield claim, [rival]
    # Of two globs the wider one is likely the mistake, of two alike the later one.
    globs.sort(key=lambda glob: len(re.sub(r"[*?]", "", glob.pattern)), reverse=True)
    for index, glob in enumerate(globs):
        pattern = glob.pattern.lower()
        rivals = [claim for server, claim in ids.items() if fnmatchcase(server, pattern)]
        rivals += [other for other in globs[:index] if overlap(other.pattern.lower(), pattern)]
        if rivals:
            yield glob, rivals


def overlap(first: str, second: str) -> bool:
    """Tell whether some text, be it a server's id or not, matches both globs."""
    if first.startswith("*"):
        return overlap(first[1:], second) or (second != "" and overlap(first, second[1:]))
    if second.startswith("*"):
        return overlap(second, first)
    if not first or not second:
        return first == second
    return (first[0] == second[0] or "?" in (first[0], second[0])) and overlap(first[1:], second[1:])
