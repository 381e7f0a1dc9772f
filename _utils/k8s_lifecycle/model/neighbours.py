"""What must hold between clusters: no server in two, nothing shared that a datacenter has only once."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import permutations

from k8s_lifecycle.model import claims
from k8s_lifecycle.model.schema import Problem, Reader
from k8s_lifecycle.model.settings import Spec

ENDPOINT = "control_plane.endpoint"

Drafts = Mapping[str, tuple[Spec, Reader]]
Comparison = Callable[[Spec, Spec], Iterator[Problem]]


def clashes(drafts: Drafts) -> Iterator[Problem]:
    """Yield what is wrong between clusters, comparing only settings that are not broken themselves."""
    sound = [spec for spec, reader in drafts.values() if all(map(reader.is_sound, claims.READS))]
    for claim, rivals in claims.conflicts(claim for spec in sound for claim in claims.claims(spec)):
        others = [rival for rival in rivals if rival.cluster != claim.cluster]
        if others:
            yield _between(claim.problem(others), claim.cluster, *(rival.cluster for rival in others))
    for (spec, reader), (other, other_reader) in permutations(drafts.values(), 2):
        for each in COMPARISONS:
            if each.applies(reader, other_reader) and spec.datacenter == other.datacenter:
                yield from (_between(problem, spec.name, other.name) for problem in each.compare(spec, other))


def _between(problem: Problem, cluster: str, *others: str) -> Problem:
    return replace(problem.within(cluster), clusters=(cluster, *dict.fromkeys(others)))


def _named(spec: Spec) -> str:
    return f"{spec.name} in datacenter {spec.datacenter}"


def _virtual_router(spec: Spec, other: Spec) -> Iterator[Problem]:
    number = spec.control_plane.endpoint.virtual_router_id
    if (
        spec.name > other.name
        and number is not None
        and number == other.control_plane.endpoint.virtual_router_id
    ):
        yield Problem(
            f"{ENDPOINT}.virtual_router_id",
            f"{number} is also that of {_named(other)}",
            "write a number from 1 to 255 that the datacenter has not used",
        )


def _address(spec: Spec, other: Spec) -> Iterator[Problem]:
    address = spec.control_plane.endpoint.address
    if spec.name > other.name and address is not None and address == other.control_plane.endpoint.address:
        yield Problem(
            f"{ENDPOINT}.address",
            f"{address} is also that of {_named(other)}",
            "write a free address",
        )


def _address_in_network(spec: Spec, other: Spec) -> Iterator[Problem]:
    address = spec.control_plane.endpoint.address
    for name in ("pods", "services"):
        network = getattr(other.networks, name)
        if address is not None and ipaddress.ip_address(address) in ipaddress.ip_network(network):
            yield Problem(
                f"{ENDPOINT}.address",
                f"{address} is inside networks.{name} {network} of {_named(other)}",
                "write an address of the servers' own network",
            )


def _networks(spec: Spec, other: Spec) -> Iterator[Problem]:
    if spec.name < other.name:
        return
    for name in ("pods", "services"):
        ours = ipaddress.ip_network(getattr(spec.networks, name))
        for their_name in ("pods", "services"):
            theirs = ipaddress.ip_network(getattr(other.networks, their_name))
            if ours.overlaps(theirs):
                yield Problem(
                    f"networks.{name}",
                    f"{ours} overlaps networks.{their_name} {theirs} of {_named(other)}",
                    "write networks that are apart",
                )


@dataclass(frozen=True)
class _Rule:
    """A comparison of one cluster with another of the same datacenter, and the settings it reads in both."""

    compare: Comparison
    reads: tuple[str, ...]

    def applies(self, *readers: Reader) -> bool:
        return all(reader.is_sound(path) for reader in readers for path in ("datacenter", *self.reads))


COMPARISONS = (
    _Rule(_virtual_router, (f"{ENDPOINT}.virtual_router_id",)),
    _Rule(_address, (f"{ENDPOINT}.address",)),
    _Rule(_address_in_network, (f"{ENDPOINT}.address", "networks.pods", "networks.services")),
    _Rule(_networks, ("networks.pods", "networks.services")),
)
