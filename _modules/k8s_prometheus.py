"""What a Prometheus server is to be told, and what is missing for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.model import secrets
from k8s_lifecycle.model.datacenters import Place
from k8s_lifecycle.model.spec import InvalidSpecError
from k8s_lifecycle.server import exporters as service_exporters
from k8s_lifecycle.server import prometheus

__virtualname__ = "k8s_prometheus"
__opts__: Mapping[str, Any]
__pillar__: Mapping[str, Any]


def problems(assignment: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the pillar for the Prometheus of this server. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``.

    Returns a list with a line for each secret that the datacenter's file asks for and that this server has
    not; an empty one on a server that is no Prometheus server. What is wrong with the file itself is told by
    ``k8s_monitoring.problems``. No secret is in it.

    CLI Example:

    .. code-block:: bash

        salt dc1-mon-1 k8s_prometheus.problems '{name: dc1, spec: {...}, peers: {}}'
    """
    want = desired(assignment)
    if want is None:
        return []
    try:
        own = secrets.prometheus(__pillar__)
    except InvalidSpecError as error:
        return str(error).splitlines()
    needed = {
        "certificate": want["tls"],
        "key": want["tls"],
        "users": want["basic_auth"],
        "authority": want["asks_with_tls"],
        "password": want["asks_with_password"],
        "central": want["sends_on"],
    }
    path, remedy = f"pillar {secrets.PILLAR}.prometheus", "add it, by minion id"
    return [
        f"{path}.{name}: missing — {remedy}"
        for name, is_needed in needed.items()
        if is_needed and not getattr(own, name)
    ]


def desired(assignment: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the SLS lay out on this server for Prometheus and Alertmanager. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.

    Returns None on a server that is no Prometheus server, or whose datacenter's file has mistakes; else a
    mapping:

    options, alertmanager_options
        Those of the programs, lists.
    data, alertmanager_data
        The directories that they write to.
    configuration, alertmanager
        The texts of their configurations, without a secret.
    rules
        The names of the files with rules, a list.
    discovery
        The arguments of the script that writes whom to ask, a list.
    tls, basic_auth
        Whether both answer with TLS only, and ask for a user and password.
    asks_with_tls, asks_with_password
        Whether Prometheus needs the authority's certificate, and a password, to ask others.
    sends_on
        Whether it sends what it was told on to the central Prometheus.

    On a central Prometheus, what concerns Alertmanager and discovery is None: it has neither.

    CLI Example:

    .. code-block:: bash

        salt dc1-mon-1 k8s_prometheus.desired '{name: dc1, spec: {...}, peers: {}}'
    """
    if "problems" in assignment:
        return None
    return prometheus.desired(Place.from_dict(assignment).datacenter, __opts__["id"])


def exporters(assignment: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the SLS lay out on this server for exporters of its services. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.

    Returns a mapping by kind (``redis``, ``mysqld``): ``options`` of the exporter, ``secrets`` (the path of
    the file with what it looks into its service), ``port`` of that service. Empty where there is none, or
    where the datacenter's file has mistakes.

    CLI Example:

    .. code-block:: bash

        salt dc1-redis-1 k8s_prometheus.exporters '{name: dc1, spec: {...}, peers: {}}'
    """
    if "problems" in assignment:
        return {}
    return service_exporters.desired(Place.from_dict(assignment).datacenter, __opts__["id"])


def exporter_problems(assignment: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the secrets of this server's exporters. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``.

    Returns a list with a line for each problem. No secret is in it. Redis may have no password, MariaDB and
    MySQL have a user and one.

    CLI Example:

    .. code-block:: bash

        salt dc1-mariadb-1 k8s_prometheus.exporter_problems '{name: dc1, spec: {...}, peers: {}}'
    """
    wanted = exporters(assignment)
    if not wanted:
        return []
    try:
        own = secrets.exporters(__pillar__)
    except InvalidSpecError as error:
        return str(error).splitlines()
    if "mysqld" in wanted and not (own.mysqld and own.mysqld.user):
        return [f"pillar {secrets.PILLAR}.exporters.mysqld: no user and password — add them, by minion id"]
    return []
