"""Where this master keeps what the commands and the engine share, as its configuration says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from k8s_lifecycle.action.run import Failure
from k8s_lifecycle.model import datacenters as all_datacenters
from k8s_lifecycle.model import external
from k8s_lifecycle.model import spec as specs


def catalogue(opts: Mapping[str, Any]) -> specs.Catalogue:
    """Return the clusters that the minions' pillar comes from."""
    for entry in opts.get("ext_pillar", []):
        if "k8s_clusters" in entry:
            return specs.load(Path(entry["k8s_clusters"]))
    raise Failure(
        "master",
        "looking for cluster specs",
        "no ext_pillar k8s_clusters in the master's configuration",
        "add `ext_pillar: [{k8s_clusters: /srv/pillar/clusters}]` and restart the master",
    )


def datacenters(opts: Mapping[str, Any]) -> all_datacenters.Datacenters:
    """Return the datacenters that the minions' pillar comes from; none where there is no such pillar."""
    for entry in opts.get("ext_pillar", []):
        if "k8s_datacenters" in entry:
            return all_datacenters.load(Path(entry["k8s_datacenters"]))
    return all_datacenters.Datacenters(Path())


def externals(catalogue: specs.Catalogue) -> external.Externals:
    """Return the clusters that others run, from beside the specs."""
    broken = (name for problem in catalogue.problems for name in problem.clusters)
    return external.load(catalogue.directory, {*catalogue.specs, *broken})


def cluster_of(catalogue: specs.Catalogue, servers: Iterable[str]) -> str:
    """Return the one cluster that all these servers belong to; raise a failure that says what is wrong."""
    clusters = {server: _cluster_of(catalogue, server) for server in servers}
    if len(set(clusters.values())) == 1:
        return next(iter(clusters.values()))
    said = ", ".join(f"{server} in {cluster}" for server, cluster in clusters.items()) or "no server named"
    raise Failure("k8s", "finding the cluster", said, "name servers of one cluster, by their minion ids")


def _cluster_of(catalogue: specs.Catalogue, server: str) -> str:
    place = catalogue.assignment(server)
    if place is None:
        said = f"no cluster in {catalogue.directory} names or allows it"
        raise Failure(server, "finding its cluster", said, "name a minion id, or add it to a pool there")
    return place.cluster


def journal(opts: Mapping[str, Any]) -> Path:
    """Return the directory of the runs' records."""
    return Path(opts["cachedir"]) / "k8s" / "journal"


def page(opts: Mapping[str, Any]) -> Path:
    """Return where the inventory's page is, if nobody names another place."""
    directory = Path(opts["cachedir"]) / "k8s"
    directory.mkdir(exist_ok=True)
    return directory / "inventory.html"


def runs(opts: Mapping[str, Any]) -> Path:
    """Return the directory in which the runs of this master show that they are alive."""
    return Path(opts["cachedir"]) / "k8s" / "runs"


def asks(opts: Mapping[str, Any]) -> Path:
    """Return the directory in which servers that ask to join are noted."""
    return Path(opts["cachedir"]) / "k8s" / "asks"


def consul_asks(opts: Mapping[str, Any]) -> Path:
    """Return the directory in which servers are noted whose agent of Consul asks, or that are gone."""
    return Path(opts["cachedir"]) / "k8s" / "consul-asks"
