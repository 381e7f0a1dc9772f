"""External pillar that gives each server what all servers of its datacenter share: monitoring and discovery.

Master configuration:

.. code-block:: yaml

    ext_pillar:
      - k8s_datacenters: /srv/pillar/datacenters

The directory has one YAML file per datacenter; docs/datacenter-reference.md lists its keys. Which datacenter
a server is in is decided by its minion id.
"""

from typing import Any

from k8s_lifecycle.model import datacenters
from k8s_lifecycle.model import spec as specs

__virtualname__ = "k8s_datacenters"
__opts__: dict[str, Any]


def ext_pillar(minion_id: str, pillar: dict[str, Any], directory: str) -> dict[str, Any]:
    """Return the pillar ``k8s_datacenter`` of a server, by its minion id.

    minion_id
        The minion id of the server.
    pillar
        The pillar so far; not used.
    directory
        The path of the directory with the datacenters' files, as in the master's configuration.

    Returns ``k8s_datacenter`` with name, spec (a mapping, all defaults filled in), peers (the addresses of
    the Consul servers of the other datacenters, by name) and, for a Prometheus server, clusters: those of the
    datacenter, each with name, environment, and api, its endpoint's host and port. A server that a broken
    file names is told what is wrong with that: ``k8s_datacenter`` with problems, a list of lines. All others
    get nothing.
    """
    found = datacenters.load(directory)
    place = found.place(minion_id, _clusters())
    if place is not None:
        return {"k8s_datacenter": place.to_dict()}
    problems = [str(problem) for problem in found.problems_for(minion_id)]
    return {"k8s_datacenter": {"problems": problems}} if problems else {}


def _clusters() -> list[specs.Spec]:
    """Return the specs of the clusters that the external pillar ``k8s_clusters`` has."""
    entries = __opts__.get("ext_pillar") or ()
    directory = next((entry["k8s_clusters"] for entry in entries if "k8s_clusters" in entry), None)
    return list(specs.load(directory).specs.values()) if directory else []
