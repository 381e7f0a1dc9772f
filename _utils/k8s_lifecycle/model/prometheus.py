"""What Prometheus and Alertmanager are told, as plain data: whom to ask, which rules, whom to tell.

Nothing in it is secret: it names the files that are.
https://prometheus.io/docs/prometheus/latest/configuration/configuration/
https://prometheus.io/docs/alerting/latest/configuration/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from k8s_lifecycle.model import cluster_metrics, consul, scraping
from k8s_lifecycle.model.cluster_metrics import Cluster
from k8s_lifecycle.model.datacenter import Alertmanager, Datacenter, Prometheus

CONFIG = "/etc/prometheus/k8s"
RULES = f"{CONFIG}/rules"
AUTHORITY, PASSWORD = f"{CONFIG}/authority.pem", f"{CONFIG}/password"
# A password for each kind of those who are asked: who is asked with one learns it.
NODE_EXPORTER_PASSWORD = f"{CONFIG}/node-exporter-password"
COUCHBASE_PASSWORD = f"{CONFIG}/couchbase-password"
CENTRAL_AUTHORITY, CENTRAL_PASSWORD = f"{CONFIG}/central-authority.pem", f"{CONFIG}/central-password"
USER = "prometheus"
GOSSIP_PORT = 9094
TARGETS = "/var/lib/k8s-targets"

_PEOPLE, _NOBODY, _WATCHDOG = "people", "nobody", "watchdog"
# Nobody needs to be told what follows from what they are told: the alert, what follows from it on the same
# server, and which more labels must be the same.
_FOLLOWS = (
    ('alertname="ServerDown"', ['alertname!="ServerDown"']),
    ('alertname=~"KubeletUnhealthy|ContainerdUnhealthy"', ['alertname="NodeNotReady"']),
    ('alertname="KubeletUnhealthy"', ['alertname="CertificateNotServed"', 'address=~".+:10250"']),
    ('alertname="DiskFull"', ['alertname="DiskFilling"'], "mountpoint"),
)


def configuration(datacenter: Datacenter, server: str, clusters: Sequence[Cluster] = ()) -> dict[str, Any]:
    """Return the configuration of Prometheus on a server, which also asks these clusters."""
    wanted = of(datacenter)
    sent_on = {"remote_write": [_remote_write(datacenter, wanted)]} if wanted.remote_write else {}
    return {
        "global": {
            "scrape_interval": f"{wanted.interval}s",
            "evaluation_interval": f"{wanted.interval}s",
            "external_labels": {
                "datacenter": datacenter.name,
                "environment": wanted.environment,
                # Two that ask the same would else be one to whom their figures are sent on to.
                "replica": server,
            },
        },
        "rule_files": [f"{RULES}/*.yml"],
        "alerting": _alerting(wanted),
        "scrape_configs": [_guarded(job, datacenter) for job in _jobs(datacenter, wanted, clusters)],
        **sent_on,
    }


def asked(datacenter: Datacenter) -> dict[str, list[dict[str, Any]]]:
    """Return which servers each job asks, as minion ids or globs, and at which port.

    Not what Consul has of services: who may register one may do so on every node, and so name another address
    for a server that somebody else looks after; and a password would go to whoever claims to be a service.
    """
    wanted, monitoring = of(datacenter), datacenter.monitoring
    services = datacenter.consul.services.values() if datacenter.consul else ()
    measured = {
        kind: [
            _at(service.servers, consul.EXPORTERS[kind][1] if kind in consul.EXPORTERS else service.port)
            for service in services
            if service.exporter == kind
        ]
        for kind in (*consul.EXPORTERS, consul.COUCHBASE)
    }
    return {
        "node": [_at(datacenter.servers, monitoring.node_exporter.port)],
        "prometheus": [_at(wanted.servers, wanted.port)],
        "alertmanager": [_at(wanted.servers, wanted.alertmanager.port)],
        "central": [_at(monitoring.central.servers, monitoring.central.port)] if monitoring.central else [],
        **measured,
    }


def central(datacenter: Datacenter) -> dict[str, Any]:
    """Return the configuration of the central Prometheus: it asks nobody, and misses who sends nothing."""
    wanted = of(datacenter)
    return {
        "global": {"evaluation_interval": f"{wanted.interval}s"},
        "rule_files": [f"{RULES}/*.yml"],
        "alerting": _alerting(wanted),
    }


def senders(names: Sequence[str]) -> dict[str, Any]:
    """Return rules for the central Prometheus: a series for each datacenter that sends it figures."""
    record, expression = "datacenter:prometheus_expected:bool", "vector(1)"
    rules = [{"record": record, "expr": expression, "labels": {"datacenter": name}} for name in names]
    return {"groups": [{"name": "senders", "rules": rules}]}


def alertmanager(wanted: Alertmanager) -> dict[str, Any]:
    """Return the configuration of Alertmanager, the same on all servers."""
    watchdog = _WATCHDOG if wanted.watchdog else _NOBODY
    receivers = {_PEOPLE: _people(wanted), _NOBODY: {}}
    if wanted.watchdog:
        receivers[_WATCHDOG] = {"webhook_configs": [{"url": wanted.watchdog, "send_resolved": False}]}
    return {
        "route": {
            "receiver": _PEOPLE,
            "group_by": ["alertname", "datacenter", "environment", "cluster"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [
                {
                    "receiver": watchdog,
                    "matchers": ['alertname="Watchdog"'],
                    "group_wait": "0s",
                    "group_interval": "1m",
                    "repeat_interval": "1m",
                }
            ],
        },
        "inhibit_rules": [
            {
                "source_matchers": [source],
                "target_matchers": list(targets),
                "equal": ["datacenter", "instance", *more],
            }
            for source, targets, *more in _FOLLOWS
        ],
        "receivers": [{"name": name, **receiver} for name, receiver in receivers.items()],
    }


def of(datacenter: Datacenter) -> Prometheus:
    """Return the settings of a datacenter's Prometheus servers; raise ValueError where it has none."""
    if datacenter.monitoring.prometheus is None:
        raise ValueError(f"{datacenter.name}.yaml has no `monitoring.prometheus`")
    return datacenter.monitoring.prometheus


def _at(servers: Iterable[str], port: int) -> dict[str, Any]:
    return {"servers": list(servers), "port": port}


def _jobs(
    datacenter: Datacenter, wanted: Prometheus, clusters: Sequence[Cluster]
) -> Iterator[dict[str, Any]]:
    exporter, own = datacenter.monitoring.node_exporter, _own(wanted)
    yield _job("node", _asked_with(exporter.tls, exporter.basic_auth, NODE_EXPORTER_PASSWORD))
    yield _job("prometheus", own)
    yield _job("alertmanager", own)
    yield from (_job(kind, {}) for kind in consul.EXPORTERS)
    if consul.has_couchbase(datacenter):
        yield _job(consul.COUCHBASE, _behind(AUTHORITY, COUCHBASE_PASSWORD))
    if datacenter.monitoring.central:
        yield _job("central", _to_central(datacenter.name))
    for cluster in clusters:
        yield from cluster_metrics.jobs(cluster, TARGETS, wanted.proxy_port)


def _guarded(job: Mapping[str, Any], datacenter: Datacenter) -> dict[str, Any]:
    """Return a job with how much its targets may say, and of what."""
    wanted, name = of(datacenter), job["job_name"].rpartition("/")[2]
    servers = datacenter.consul.servers if datacenter.consul else {}
    kept = scraping.relabelled(name, servers, histograms=wanted.apiserver_histograms)
    return {
        **job,
        **scraping.limits(name, wanted.limits.get(name)),
        "metric_relabel_configs": list(kept),
    }


def _job(name: str, asked_with: Mapping[str, Any]) -> dict[str, Any]:
    """Return whom to ask: those of a file that k8s_targets.py makes."""
    return {
        "job_name": name,
        **asked_with,
        # A password goes to who was asked, nowhere else.
        "follow_redirects": False,
        "file_sd_configs": [{"files": [f"{TARGETS}/{name}.json"]}],
    }


def _remote_write(datacenter: Datacenter, wanted: Prometheus) -> dict[str, Any]:
    told = {name: how for name, how in _to_central(datacenter.name).items() if name != "scheme"}
    names = "|".join(name.replace("*", ".*") for name in wanted.remote_write_metrics)
    return {
        "name": "central",
        "url": wanted.remote_write,
        **told,
        "follow_redirects": False,
        "write_relabel_configs": [{"action": "keep", "source_labels": ["__name__"], "regex": names}],
    }


def _to_central(datacenter: str) -> dict[str, Any]:
    """Return with what the central Prometheus is written to, and asked: as the user of the datacenter."""
    return _behind(CENTRAL_AUTHORITY, CENTRAL_PASSWORD, datacenter)


def _own(wanted: Prometheus) -> dict[str, Any]:
    return _asked_with(wanted.tls, wanted.basic_auth, PASSWORD)


def _asked_with(tls: bool, basic_auth: bool, password_file: str) -> dict[str, Any]:
    return _behind(AUTHORITY, password_file if basic_auth else None) if tls else {}


def _behind(authority: str, password_file: str | None, user: str = USER) -> dict[str, Any]:
    login = {"basic_auth": {"username": user, "password_file": password_file}} if password_file else {}
    return {"scheme": "https", "tls_config": {"ca_file": authority}, **login}


def _alerting(wanted: Prometheus) -> dict[str, Any]:
    """Return whom alerts are sent to: all, by address, since they must arrive also where Consul is down."""
    targets = [f"{address}:{wanted.alertmanager.port}" for address in wanted.servers.values()]
    return {
        # An alert of two replicas is one alert.
        "alert_relabel_configs": [{"action": "labeldrop", "regex": "replica"}],
        "alertmanagers": [{**_own(wanted), "static_configs": [{"targets": targets}]}],
    }


def _people(wanted: Alertmanager) -> dict[str, Any]:
    webhook = {"webhook_configs": [{"url": wanted.webhook}]} if wanted.webhook else {}
    if wanted.email is None:
        return webhook
    email = {"to": wanted.email.to, "from": wanted.email.sender, "smarthost": wanted.email.relay}
    return {**webhook, "email_configs": [email]}
