"""Certificates with which Prometheus reads the metrics of clusters: signed there, relayed by the master."""

from __future__ import annotations

import functools
import logging
import random
from collections.abc import Collection, Mapping
from typing import Any

from k8s_lifecycle.action.fleet import Answer, Call
from k8s_lifecycle.action.scheduler import AllOf, Task
from k8s_lifecycle.model.datacenters import Datacenters
from k8s_lifecycle.model.spec import Catalogue

log = logging.getLogger(__name__)

TIMEOUT = 45.0


def relay(datacenters: Datacenters, clusters: Catalogue, server: str) -> Task:
    """Have the certificates signed that a Prometheus server waits for, by a control plane of each cluster.

    Only servers that the datacenter's file names get any, and only of clusters of that datacenter. What
    fails is left: the server asks again by itself.
    """
    place = datacenters.place(server, clusters.specs.values())
    if place is None or not place.clusters:
        return
    waiting: Answer = yield Call(server, "k8s_prometheus.waiting", {}, TIMEOUT)
    if not (waiting.ok and waiting.value):
        log.info("%s waits for no certificate: %s", server, waiting.error or "it says so itself")
        return
    asked = [cluster.name for cluster in place.clusters if cluster.name in waiting.value["clusters"]]
    tasks = [
        functools.partial(
            _sign, clusters.specs[name].control_plane.servers, name, server, waiting.value["request"]
        )
        for name in asked
    ]
    outcomes = yield AllOf(tasks, len(tasks))
    for name, failed in zip(asked, outcomes, strict=True):
        if failed:
            log.warning("%s has no certificate of %s: %s", server, name, failed)


def through_any(servers: Collection[str], function: str, arguments: Mapping[str, Any]) -> Task:
    """Call a function on one of these servers, on the next one where one cannot; none is special."""
    answer: Answer | None = None
    for server in random.sample(sorted(servers), len(servers)):
        answer = yield Call(server, function, arguments, TIMEOUT)
        if answer.ok:
            break
    return answer


def _sign(signers: Collection[str], cluster: str, server: str, request: str) -> Task:
    """Return what went wrong; empty if the server has its certificate."""
    arguments = {"server": server, "request": request}
    signed = yield from through_any(signers, "k8s_csr.sign_prometheus", arguments)
    if not signed.ok:
        return f"no control plane signs it: {signed.error}"
    given = {"cluster": cluster, **signed.value}
    accepted: Answer = yield Call(server, "k8s_prometheus.accept", given, TIMEOUT)
    if not accepted.ok:
        return f"it does not take it: {accepted.error}"
    log.info("%s has its certificate of %s", server, cluster)
    return ""
