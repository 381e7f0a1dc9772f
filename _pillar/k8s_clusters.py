"""External pillar that gives each server the spec of its cluster.

Master configuration:

.. code-block:: yaml

    ext_pillar:
      - k8s_clusters: /srv/pillar/clusters

The directory has one YAML file per cluster; docs/spec-reference.md lists its keys. Which cluster, role and
pool a server gets is decided by its minion id; its grains can only take it out of a pool.
"""

from typing import Any

from k8s_lifecycle.model import spec as specs

__virtualname__ = "k8s_clusters"
__grains__: dict[str, Any]


def ext_pillar(minion_id: str, pillar: dict[str, Any], directory: str) -> dict[str, Any]:
    """Return the pillar ``k8s`` of a server: its place in its cluster, by its minion id.

    minion_id
        The minion id of the server.
    pillar
        The pillar so far; not used.
    directory
        The path of the directory with the clusters' files, as in the master's configuration.

    Returns ``k8s`` with cluster, role (``control-plane``, ``worker`` or ``spare``), pool (None unless it is a
    worker) and spec (a mapping, all defaults filled in). A server that a broken spec names is told what is
    wrong with that: ``k8s`` with problems, a list of lines. All others get nothing, also where a file cannot
    be read at all and so names nobody.
    """
    catalogue = specs.load(directory)
    place = catalogue.assignment(minion_id, __grains__)
    if place is not None:
        return {
            "k8s": {
                "cluster": place.cluster,
                "role": place.role,
                "pool": place.pool,
                "spec": catalogue.specs[place.cluster].to_dict(),
            }
        }
    problems = [str(problem) for problem in catalogue.problems_for(minion_id)]
    return {"k8s": {"problems": problems}} if problems else {}
