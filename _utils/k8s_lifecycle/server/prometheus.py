"""Prometheus and Alertmanager on a server, laid out for the SLS: options and the texts of files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import yaml

from k8s_lifecycle.model import cluster_metrics
from k8s_lifecycle.model import prometheus as model
from k8s_lifecycle.model.cluster_metrics import Cluster
from k8s_lifecycle.model.consul import HTTP_PORT, has_couchbase
from k8s_lifecycle.model.datacenter import Central, Datacenter, Prometheus

CONFIGURATION = f"{model.CONFIG}/prometheus.yml"
ALERTMANAGER = f"{model.CONFIG}/alertmanager.yml"
WEB_CONFIG = f"{model.CONFIG}/web.yml"
# Files of states/k8s/files/prometheus; the central one has `central`.
RULES = ("certificates", "control-plane", "kubernetes", "monitoring", "salt", "server", "services")
DATA, ALERTMANAGER_DATA = "/var/lib/prometheus/metrics2", "/var/lib/prometheus/alertmanager"


def desired(
    datacenter: Datacenter, server: str, clusters: Sequence[Cluster] = (), senders: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Return what the SLS of a server lay out; None where it is no Prometheus server.

    clusters: those that it asks. senders: the datacenters that a central one hears of.
    """
    wanted, central = datacenter.monitoring.prometheus, datacenter.monitoring.central
    if wanted and server in wanted.servers:
        return _of_the_datacenter(datacenter, wanted, server, clusters)
    if central and server in central.servers:
        return _central(datacenter, central, senders)
    return None


def _of_the_datacenter(
    datacenter: Datacenter, wanted: Prometheus, server: str, clusters: Sequence[Cluster]
) -> dict[str, Any]:
    asked = datacenter.monitoring.node_exporter
    return {
        "options": options(wanted, wanted.tls),
        "alertmanager_options": alertmanager_options(wanted, server),
        "data": DATA,
        "alertmanager_data": ALERTMANAGER_DATA,
        "rules": list(RULES),
        "senders": None,
        "discovery": discovery(datacenter, clusters),
        "configuration": _yaml(model.configuration(datacenter, server, clusters)),
        "alertmanager": _yaml(model.alertmanager(wanted.alertmanager)),
        "tls": wanted.tls,
        "basic_auth": wanted.basic_auth,
        "asks_with_tls": wanted.tls or asked.tls or has_couchbase(datacenter),
        "asks_with_password": wanted.basic_auth,
        "asks_node_exporters": asked.basic_auth,
        "asks_couchbase": has_couchbase(datacenter),
        "knows_central": wanted.remote_write is not None or datacenter.monitoring.central is not None,
    }


def _central(datacenter: Datacenter, central: Central, senders: Sequence[str]) -> dict[str, Any]:
    """It has no Alertmanager and nobody to ask: the datacenter's own Prometheus servers have."""
    wanted = model.of(datacenter)
    return {
        "options": [*options(central, tls=True), "--web.enable-remote-write-receiver"],
        "alertmanager_options": None,
        "data": DATA,
        "alertmanager_data": None,
        "rules": ["central"],
        "senders": _yaml(model.senders(senders)),
        "discovery": None,
        "configuration": _yaml(model.central(datacenter)),
        "alertmanager": None,
        "tls": True,
        "basic_auth": True,
        "asks_with_tls": wanted.tls,
        "asks_with_password": wanted.basic_auth,
        "asks_node_exporters": False,
        "asks_couchbase": False,
        "knows_central": False,
    }


def options(wanted: Prometheus | Central, tls: bool) -> list[str]:
    """Return those of Prometheus: https://prometheus.io/docs/prometheus/latest/command-line/prometheus/"""
    size = wanted.retention_size
    return [
        f"--config.file={CONFIGURATION}",
        f"--storage.tsdb.path={DATA}",
        f"--storage.tsdb.retention.time={wanted.retention}",
        *([f"--storage.tsdb.retention.size={size}"] if size else []),
        f"--web.listen-address=:{wanted.port}",
        *([f"--web.config.file={WEB_CONFIG}"] if tls else []),
    ]


def discovery(datacenter: Datacenter, clusters: Sequence[Cluster]) -> str:
    """Return the configuration of k8s_targets.py, which tells Prometheus whom to ask."""
    asked = {
        "consul": f"http://127.0.0.1:{HTTP_PORT}",
        "directory": model.TARGETS,
        "jobs": model.asked(datacenter),
        "datacenter": datacenter.name,
        "key": cluster_metrics.KEY,
        "dns_port": cluster_metrics.DNS_PORT,
        "clusters": [
            {**asdict(cluster), "certificate": cluster.certificate, "authority": cluster.authority}
            for cluster in clusters
        ],
    }
    return json.dumps(asked, indent=2, sort_keys=True) + "\n"


def alertmanager_options(wanted: Prometheus, server: str) -> list[str]:
    """Return those of Alertmanager, which tells the others what it has told: https://github.com/prometheus/alertmanager"""
    others = [address for name, address in wanted.servers.items() if name != server]
    own = f"{wanted.servers[server]}:{model.GOSSIP_PORT}" if others else ""
    return [
        f"--config.file={ALERTMANAGER}",
        f"--storage.path={ALERTMANAGER_DATA}",
        f"--web.listen-address=:{wanted.alertmanager.port}",
        *([f"--web.config.file={WEB_CONFIG}"] if wanted.tls else []),
        f"--cluster.listen-address={own}",
        *(f"--cluster.peer={address}:{model.GOSSIP_PORT}" for address in others),
    ]


def _yaml(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False)
    return f"# Laid out by Salt.\n{text}"
