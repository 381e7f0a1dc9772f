"""With what a Prometheus server asks the clusters of its datacenter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.datacenters import Place
from k8s_lifecycle.server import prometheus_credentials
from k8s_lifecycle.wording import redacted

__virtualname__ = "k8s_prometheus"
__opts__: Mapping[str, Any]
__salt__: Any


def credentials(name: str, assignment: Mapping[str, Any]) -> dict[str, Any]:
    """Ensure that Prometheus has a key, and asks for the certificates of its clusters that are due.

    It does not wait for them: a cluster may not be there yet, and Prometheus takes them up by itself when
    they come. Until then one that nobody trusts stands in. What is of a cluster that is gone is removed. It
    fails if the event that asks cannot be sent.

    name
        Anything; shown in the output.
    assignment
        The pillar ``k8s_datacenter``: name, spec, peers, clusters.

    ``changes`` holds each file below /etc/prometheus/k8s/clusters that was made or removed (old, new).

    .. code-block:: yaml

        k8s-prometheus-credentials:
          k8s_prometheus.credentials:
            - assignment: {{ pillar['k8s_datacenter'] | json }}
    """
    clusters = [cluster.name for cluster in Place.from_dict(assignment).clusters]
    missing = prometheus_credentials.missing(clusters)
    changes = {
        path: {"old": "there", "new": None} if there else {"old": None, "new": "made"}
        for path, there in missing.items()
    }
    if __opts__["test"]:
        return _answer(name, None if changes else True, "its key and certificates", changes)
    try:
        prometheus_credentials.prepare(clusters)
        asked = __salt__["k8s_prometheus.ask"]()
    except (HostError, CommandExecutionError, OSError) as error:
        return _answer(name, False, redacted(str(error)))
    comment = f"asked for certificates of {', '.join(asked)}" if asked else "it has all certificates"
    return _answer(name, True, comment, changes)


def _answer(
    name: str, result: bool | None, comment: str, changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
