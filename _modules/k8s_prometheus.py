"""What a Prometheus server is to be told, what is missing for it, and with what it asks clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.failures import told
from k8s_lifecycle.model import secrets
from k8s_lifecycle.model.datacenters import Place
from k8s_lifecycle.model.spec import InvalidSpecError
from k8s_lifecycle.server import exporters as service_exporters
from k8s_lifecycle.server import prometheus, prometheus_credentials

EVENT = "k8s/prometheus/ask"

__virtualname__ = "k8s_prometheus"
__opts__: Mapping[str, Any]
__pillar__: Mapping[str, Any]
__salt__: Any


def problems(assignment: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the pillar for the Prometheus of this server. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``.

    Returns a list with a line for each secret that the datacenter's file asks for and that this server has
    not, or that opens more than one thing; an empty one on a server that is no Prometheus server. What is
    wrong with the file itself is told by ``k8s_monitoring.problems``. No secret is in it.

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
        "node_exporter": want["asks_node_exporters"],
        "password": want["asks_with_password"],
        "couchbase": want["asks_couchbase"],
        "central": want["knows_central"],
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
    senders
        On a central Prometheus, the text of one more: which datacenters are to send it figures. Else None.
    discovery
        The text of the file for the script that writes whom to ask.
    tls, basic_auth
        Whether both answer with TLS only, and ask for a user and password.
    asks_with_tls
        Whether Prometheus needs the authority's certificate to ask others.
    asks_with_password, asks_node_exporters, asks_couchbase
        Whether it needs a password to ask Prometheus and Alertmanager, node_exporters, Couchbase.
    knows_central
        Whether it asks the central Prometheus, or sends it what it was told.

    On a central Prometheus, what concerns Alertmanager and discovery is None: it has neither.

    CLI Example:

    .. code-block:: bash

        salt dc1-mon-1 k8s_prometheus.desired '{name: dc1, spec: {...}, peers: {}}'
    """
    if "problems" in assignment:
        return None
    place = Place.from_dict(assignment)
    return prometheus.desired(place.datacenter, __opts__["id"], place.clusters, place.senders)


def ask() -> list[str]:
    """Ask for the certificates of clusters that this server has not, or that expire within 20 days.

    It sends the event ``k8s/prometheus/ask`` and does not wait: a control plane of each cluster signs one,
    and the master relays it. A schedule calls this as well.

    Returns the names of the clusters, a list; empty, and nothing is asked, where there is none.

    Raises an error if the event cannot be sent.

    CLI Example:

    .. code-block:: bash

        salt dc1-mon-1 k8s_prometheus.ask
    """
    with told("asking for certificates of clusters"):
        due = prometheus_credentials.due()
        if due and not __salt__["event.send"](EVENT):
            raise HostError("the event that asks could not be sent: see the minion's log")
        return due


def waiting() -> dict[str, Any] | None:
    """Return what this server waits to have signed. Changes nothing.

    The master asks this before it acts: an event can be forged, the answer to a job cannot.

    Returns the certificate signing request (``request``, PEM) and the names of the clusters that it is for
    (``clusters``, a list); None if it waits for nothing.

    CLI Example:

    .. code-block:: bash

        salt dc1-mon-1 k8s_prometheus.waiting
    """
    with told("looking for certificates of clusters"):
        due = prometheus_credentials.due()
        return {"request": prometheus_credentials.request(), "clusters": due} if due else None


def accept(cluster: str, certificate: str, authority: str) -> bool:
    """Keep the certificate that a cluster has signed for this Prometheus server, which takes it up by itself.

    cluster
        The name of the cluster.
    certificate
        The one that ``k8s_csr.sign_prometheus`` returned there, PEM.
    authority
        The certificate of the cluster's CA, which it returned, too.

    Returns True.

    Raises an error if this server does not ask that cluster, or the certificate is not for its key.

    CLI Example:

    .. code-block:: bash

        salt dc1-mon-1 k8s_prometheus.accept dc1-prod '-----BEGIN...' '-----BEGIN...'
    """
    with told(f"accepting the certificate of {cluster}"):
        prometheus_credentials.accept(cluster, certificate, authority)
        return True


def exporters(assignment: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the SLS lay out on this server for exporters of its services. Changes nothing.

    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.

    Returns a mapping by kind (``redis``, ``mysqld``): ``options`` of the exporter, ``secrets`` (the path of
    the file with what it looks into its service), ``secrets_option`` (the option that names that file),
    ``port`` of that service. Empty where there is none, or where the datacenter's file has mistakes.

    Raises InvalidSpecError if the secrets are wrong: see ``exporter_problems``.

    CLI Example:

    .. code-block:: bash

        salt dc1-redis-1 k8s_prometheus.exporters '{name: dc1, spec: {...}, peers: {}}'
    """
    if "problems" in assignment:
        return {}
    accounts = secrets.exporters(__pillar__)
    return service_exporters.desired(Place.from_dict(assignment).datacenter, __opts__["id"], accounts)


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
    try:
        wanted = exporters(assignment)
    except InvalidSpecError as error:
        return str(error).splitlines()
    account = secrets.exporters(__pillar__).mysqld
    if "mysqld" in wanted and not (account and account.user):
        return [f"pillar {secrets.PILLAR}.exporters.mysqld: no user and password — add them, by minion id"]
    return []
