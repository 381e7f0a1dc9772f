"""Metrics of Kubernetes itself in a real Prometheus outside the cluster, and who else is shown none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dashboards
import promql
from asking import CLUSTER, ENOUGH, NODE, PROMETHEUS, prometheus, query
from lab_session import Lab, wait_until

MONITOR = PROMETHEUS["dc2"]
OF_THE_CLUSTER = {
    "apiserver", "cadvisor", "coredns", "etcd", "kube-controller-manager", "kube-scheduler", "kubelet",
}  # fmt: skip
NOT_HERE = {
    "k8s_consul_member_failed": "no member of Consul was ever missed by now",
    "instance_mountpoint:node_filesystem_avail:ratio": "servers of the lab have no disk of their own",
    "datacenter:prometheus_expected:bool": "only the central Prometheus has it",
}
API, KUBELET, PROXY = (f"https://10.12.0.11:{port}" for port in (6443, 10250, 10280))
OWN = "/etc/prometheus/k8s/clusters"
# What somebody on a server would see: a status, or why there is none.
ASK = """
import ssl, sys, urllib.error, urllib.request
url, authority, *pair = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
context.check_hostname = False
if pair:
    context.load_cert_chain(*pair)
try:
    print(urllib.request.urlopen(url, context=context, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.status)
except OSError as error:
    print(error)
"""


def up(lab: Lab) -> dict[str, set[str]]:
    """The jobs of the cluster, and what their targets are said to be."""
    found: dict[str, set[str]] = {}
    for one in query(lab, "dc2", f'up{{cluster="{CLUSTER}", job=~"{"|".join(OF_THE_CLUSTER)}"}}'):
        found.setdefault(one["metric"]["job"], set()).add(one["value"][1])
    return found


def ask(lab: Lab, server: str, url: str, authority: str, *pair: str) -> str:
    return lab("exec", server, "--", "python3", "-c", ASK, url, authority, *pair).stdout.strip()


def own(lab: Lab, url: str) -> str:
    """What Prometheus itself would be told."""
    return ask(lab, MONITOR, url, f"{OWN}/{CLUSTER}.ca", f"{OWN}/{CLUSTER}.crt", f"{OWN}/client.key")


def test_all_of_the_cluster_is_measured(sites: Lab, first: dict[str, Any]) -> None:
    wait_until(
        "all of it to answer", lambda: up(sites) == {job: {"1"} for job in OF_THE_CLUSTER}, ENOUGH, every=3
    )
    labels = query(sites, "dc2", 'up{job="etcd"}')[0]["metric"]
    place = {"datacenter": "dc2", "environment": "prod", "cluster": CLUSTER, "role": "control-plane"}
    assert labels == {"__name__": "up", "job": "etcd", "instance": NODE, **place}
    pods = {one["metric"]["instance"] for one in query(sites, "dc2", 'up{job="coredns"}')}
    assert len(pods) == 2


def test_all_that_the_rules_use_of_a_cluster_is_there_and_they_are_well(
    sites: Lab, first: dict[str, Any]
) -> None:
    wanted = {name for name in promql.used() if name.startswith(promql.CLUSTERS)}

    def missing() -> set[str]:
        return wanted - set(prometheus(sites, "dc2", "label/__name__/values"))

    wait_until(f"all of {', '.join(sorted(wanted))}", lambda: not missing(), ENOUGH, every=3)
    rules = [rule for group in prometheus(sites, "dc2", "rules")["groups"] for rule in group["rules"]]
    assert [rule for rule in rules if rule["health"] == "err"] == []
    assert "ControlPlaneComponentDown" in {rule["name"] for rule in rules}


def test_all_that_rules_and_dashboards_use_is_measured_somewhere(sites: Lab, services: None) -> None:
    """An alert on a metric that nobody makes would be silent, a panel empty."""
    used = promql.used() | dashboards.used()
    assert NOT_HERE.keys() <= used
    wanted = used - NOT_HERE.keys()

    def missing() -> set[str]:
        there = (set(prometheus(sites, one, "label/__name__/values")) for one in PROMETHEUS)
        return wanted.difference(*there)

    wait_until(f"all of {', '.join(sorted(wanted))}", lambda: not missing(), ENOUGH, every=3)


def test_most_of_what_an_api_server_shows_is_not_kept(sites: Lab, first: dict[str, Any]) -> None:
    shown, taken = (
        float(query(sites, "dc2", f'{name}{{job="apiserver"}}')[0]["value"][1])
        for name in ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling")
    )
    print(f"of {shown:.0f} samples of an API server {taken:.0f} are kept")
    assert taken < shown / 3


def test_prometheus_may_read_metrics_and_nothing_else(sites: Lab, first: dict[str, Any]) -> None:
    shown = (f"{API}/metrics", f"{KUBELET}/metrics/cadvisor", f"{PROXY}/etcd/metrics")
    assert {url: own(sites, url) for url in shown} == dict.fromkeys(shown, "200")
    refused = (
        f"{API}/api/v1/namespaces/kube-system/secrets",
        f"{API}/api/v1/nodes",
        f"{API}/api/v1/nodes/{NODE}/proxy/metrics",
        f"{KUBELET}/pods",
        f"{KUBELET}/configz",
    )
    assert {url: own(sites, url) for url in refused} == dict.fromkeys(refused, "403")
    assert own(sites, f"{PROXY}/kube-controller-manager/configz") == "404"


def test_nobody_else_is_shown_metrics(sites: Lab, first: dict[str, Any]) -> None:
    authority, metrics = "/etc/kubernetes/pki/ca.crt", f"{PROXY}/etcd/metrics"
    refused = ask(sites, MONITOR, metrics, f"{OWN}/{CLUSTER}.ca")
    assert refused, "it says why"
    assert not refused.isdigit(), "no answer of HTTP without a certificate"
    # One that may do everything in the cluster is not this one either.
    mighty = (f"/etc/kubernetes/pki/apiserver-kubelet-client.{end}" for end in ("crt", "key"))
    assert ask(sites, NODE, metrics, authority, *mighty) == "403"
    # The firewall does not let others get that far: timeout(1) ends it.
    connect = "timeout 5 bash -c '</dev/tcp/10.12.0.11/10280'; echo $?"
    assert sites("exec", "master", "--", "sh", "-c", connect).stdout.split() == ["124"]
    assert sites("exec", MONITOR, "--", "sh", "-c", connect).stdout.split() == ["0"]


def test_the_proxy_is_nobody_and_has_one_key(sites: Lab, first: dict[str, Any]) -> None:
    shown = sites(
        "exec", NODE, "--", "systemctl", "show", "k8s-metrics-proxy",
        "--property=DynamicUser,ActiveState,NRestarts",
    ).stdout.split()  # fmt: skip
    assert set(shown) == {"DynamicUser=yes", "ActiveState=active", "NRestarts=0"}
    (pid, *_) = sites.processes(NODE, "k8s-metrics-proxy")
    status = Path(f"/proc/{pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert "Uid:\t0" not in status


def test_a_certificate_that_is_lost_is_asked_for_again(sites: Lab, first: dict[str, Any]) -> None:
    sites("exec", MONITOR, "--", "rm", f"{OWN}/{CLUSTER}.crt")
    sites.salt(MONITOR, "state.apply", "k8s.prometheus", "queue=True")
    wait_until("a new one", lambda: own(sites, f"{API}/metrics") == "200", 60)
