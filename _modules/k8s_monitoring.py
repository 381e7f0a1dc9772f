"""What is measured on one server, and where its packages come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.discovery.situation import membership
from k8s_lifecycle.model import secrets
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.datacenters import Place
from k8s_lifecycle.model.spec import InvalidSpecError
from k8s_lifecycle.server import monitoring

__virtualname__ = "k8s_monitoring"
__opts__: Mapping[str, Any]
__pillar__: Mapping[str, Any]


def problems(assignment: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the pillar for the monitoring of this server. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``.

    Returns a list with a line for each problem: of the datacenter's file, or of secrets that it asks for and
    that this server has not. No secret is in it.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_monitoring.problems '{name: dc1, spec: {...}, peers: {}}'
    """
    if "problems" in assignment:
        return list(assignment["problems"])
    exporter = Place.from_dict(assignment).datacenter.monitoring.node_exporter
    try:
        own = secrets.node_exporter(__pillar__)
    except InvalidSpecError as error:
        return str(error).splitlines()
    path, remedy = f"pillar {secrets.PILLAR}.node_exporter", "add it, by minion id"
    return [
        *([f"{path}.certificate: missing — {remedy}"] if exporter.tls and not own.certificate else []),
        *([f"{path}.key: missing — {remedy}"] if exporter.tls and not own.key else []),
        *([f"{path}.users: missing — {remedy}"] if exporter.basic_auth and not own.users else []),
    ]


def repository(
    assignment: Mapping[str, Any], cluster: Mapping[str, Any] | None = None
) -> dict[str, str] | None:
    """Return the apt source with the packages that all servers of the datacenter have. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.
    cluster
        The pillar ``k8s`` of a server that is in a cluster. Default: None.

    Returns the source (``source``, deb822), where its key is (``key``) and goes (``keyring``); None where the
    spec has none, or the server has the same from its cluster's spec.

    Raises InvalidSpecError if a spec is not valid.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_monitoring.repository '{name: dc1, spec: {...}, peers: {}}'
    """
    spec = specs.from_dict(cluster["spec"]) if cluster and "spec" in cluster else None
    return monitoring.repository(
        Place.from_dict(assignment).datacenter, spec.packages.repository if spec else None
    )


def desired(assignment: Mapping[str, Any], cluster: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what the SLS lay out on this server for its monitoring. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.
    cluster
        The pillar ``k8s`` of a server that is in a cluster. Default: None.

    Returns a mapping:

    options
        node_exporter's, a list.
    web_config
        The path of its web configuration; None without TLS.
    basic_auth
        Whether it asks for a user and password.
    textfile
        The text of the file that says what the metrics made here look at.
    interval
        Every how many seconds they are made.
    firewall
        The text of a file for nft; None where everybody may reach node_exporter.

    Raises InvalidSpecError if the spec is not valid.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-1 k8s_monitoring.desired '{name: dc1, spec: {...}, peers: {}}'
    """
    place = Place.from_dict(assignment)
    return monitoring.desired(place.datacenter, __opts__["id"], membership(cluster or {}))


def metrics_proxy(
    assignment: Mapping[str, Any], cluster: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Return what the SLS lay out on this server for the proxy of metrics. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.
    cluster
        The pillar ``k8s`` of a server that is in a cluster. Default: None.

    Returns a mapping: ``port``, who may ask (``user``), whom it asks (``asked``: addresses by name). None on
    a server that is no control plane or not one yet, and where the datacenter's file has no Prometheus
    servers, or mistakes.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_monitoring.metrics_proxy '{name: dc1, spec: {...}, peers: {}}' '{...}'
    """
    if "problems" in assignment:
        return None
    place = Place.from_dict(assignment)
    return monitoring.metrics_proxy(place.datacenter, membership(cluster or {}))
