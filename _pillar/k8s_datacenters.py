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

__virtualname__ = "k8s_datacenters"


def ext_pillar(minion_id: str, pillar: dict[str, Any], directory: str) -> dict[str, Any]:
    """Return the pillar ``k8s_datacenter`` of a server, by its minion id.

    minion_id
        The minion id of the server.
    pillar
        The pillar so far; not used.
    directory
        The path of the directory with the datacenters' files, as in the master's configuration.

    Returns ``k8s_datacenter`` with name, spec (a mapping, all defaults filled in) and peers (the addresses of
    the Consul servers of the other datacenters, by name). A server that a broken file names is told what is
    wrong with that: ``k8s_datacenter`` with problems, a list of lines. All others get nothing.
    """
    found = datacenters.load(directory)
    place = found.place(minion_id)
    if place is not None:
        return {"k8s_datacenter": place.to_dict()}
    problems = [str(problem) for problem in found.problems_for(minion_id)]
    return {"k8s_datacenter": {"problems": problems}} if problems else {}
