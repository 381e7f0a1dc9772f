"""Prometheus in each datacenter asks all that Consul has, and sends on to the central one."""

from __future__ import annotations

import time
from typing import Any

import pytest
from asking import CENTRAL, CLUSTER, ENOUGH, LIAR, NODE, OUTSIDE, PROMETHEUS, ask, monitoring, query
from lab_session import Lab, wait_until

TARGETS = {
    "dc1": {
        *(("node", server) for server in ("dc1-cp-1", "dc1-mon-1", OUTSIDE, LIAR)),
        *((job, "dc1-mon-1") for job in ("prometheus", "alertmanager")),
        *((job, OUTSIDE) for job in ("central", "redis", "mysqld")),
    },
    "dc2": {
        *(("node", server) for server in (NODE, "dc2-mon-1")),
        *((job, "dc2-mon-1") for job in ("prometheus", "alertmanager")),
        # Of the cluster; pods of CoreDNS have names of their own.
        *((job, NODE) for job in ("apiserver", "kubelet", "cadvisor", "etcd")),
        *((job, NODE) for job in ("kube-controller-manager", "kube-scheduler")),
    },
}


def up(lab: Lab, datacenter: str, **where: str) -> set[tuple[str, str]]:
    found = query(lab, datacenter, f'up{{datacenter="{datacenter}", job!="coredns"}} == 1', **where)
    return {(one["metric"]["job"], one["metric"]["instance"]) for one in found}


@pytest.mark.parametrize("datacenter", TARGETS)
def test_each_target_is_up_through_consul(sites: Lab, first: dict[str, Any], datacenter: str) -> None:
    def all_up() -> bool:
        return up(sites, datacenter) == TARGETS[datacenter]

    wait_until(f"all targets of {datacenter} to be up", all_up, ENOUGH)


def test_the_central_one_has_them_with_their_labels(sites: Lab, first: dict[str, Any]) -> None:
    def there() -> bool:
        return all(up(sites, one, address=CENTRAL) == targets for one, targets in TARGETS.items())

    wait_until("all targets in the central Prometheus", there, ENOUGH)
    [node] = query(sites, "dc1", f'up{{job="node", instance="{NODE}"}}', CENTRAL)
    labels = {name: node["metric"].get(name) for name in ("datacenter", "environment", "cluster", "role")}
    assert labels == {
        "datacenter": "dc2",
        "environment": "prod",
        "cluster": CLUSTER,
        "role": "control-plane",
    }
    [outside] = query(sites, "dc1", f'up{{job="node", instance="{OUTSIDE}"}}', CENTRAL)
    assert outside["metric"]["environment"] == "infrastructure"
    assert "cluster" not in outside["metric"]


def test_the_node_tells_of_its_kubernetes(sites: Lab, first: dict[str, Any]) -> None:
    [ready] = query(sites, "dc2", 'k8s_node_condition{condition="Ready", status="true"}')
    assert (ready["metric"]["instance"], ready["value"][1]) == (NODE, "1")
    expiry = query(sites, "dc2", "k8s_certificate_file_expiry_timestamp_seconds")
    paths = {one["metric"]["path"] for one in expiry}
    assert {"/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/admin.conf"} <= paths


def test_a_hold_is_known_to_prometheus_before_the_node_goes(sites: Lab, first: dict[str, Any]) -> None:
    def until() -> float:
        sites("exec", NODE, "--", "systemctl", "start", "k8s-textfile")
        # Of two series one has the place that it had before, and ends.
        found = query(sites, "dc2", f'instance:k8s_node_hold:until{{instance="{NODE}"}}')
        return max(float(one["value"][1]) for one in found)

    assert until() == 0
    began = time.time()
    sites.run("k8s.hold", NODE, "reason=a new disk", "hours=1")
    # systemd lets a service start five times in ten seconds.
    wait_until("the hold", lambda: began + 3590 < until() < time.time() + 3610, 60, every=3)
    sites.run("k8s.release", NODE)
    wait_until("its end", lambda: until() == 0, 60, every=3)


def test_only_who_may_reaches_them(sites: Lab, first: dict[str, Any]) -> None:
    # Its own Prometheus server may; one of the other datacenter is not let in by the firewall.
    assert "node_load1" in monitoring(sites, "dc2", "metrics", "https://10.12.0.11:9100")
    for address in ("10.12.0.11:9100", "10.12.0.51:9090", "10.12.0.51:9093"):
        assert ask(sites, PROMETHEUS["dc1"], "GET", f"https://{address}/")[0] == 0, address
    # From its own datacenter, but without a password, or with one that opens something else.
    assert ask(sites, PROMETHEUS["dc2"], "GET", "https://10.12.0.11:9100/metrics")[0] == 401
    secrets = "/etc/prometheus/k8s"
    for port, wrong in ((9100, "password"), (9090, "node-exporter-password")):
        login = (f"{secrets}/authority.pem", "prometheus", f"{secrets}/{wrong}")
        address = f"https://10.12.0.{11 if port == 9100 else 51}:{port}/metrics"
        assert ask(sites, PROMETHEUS["dc2"], "GET", address, login=login)[0] == 401, address
    assert ask(sites, PROMETHEUS["dc1"], "GET", "http://127.0.0.1:9090/-/ready")[0] == 200


def test_a_firewall_that_somebody_flushed_is_put_back(sites: Lab, first: dict[str, Any]) -> None:
    server, table = PROMETHEUS["dc2"], "inet k8s_monitoring"

    def changes(*how: str) -> dict[str, Any]:
        states = sites.salt(server, "state.apply", "k8s.firewall", "queue=True", *how).values()
        return {one["__id__"]: one["changes"] for one in states if one["changes"]}

    def reaches() -> bool:
        return ask(sites, PROMETHEUS["dc1"], "GET", "https://10.12.0.51:9090/")[0] != 0

    sites("exec", server, "--", "systemctl", "restart", "nftables")
    assert not reaches(), "Debian's own unit, which flushes all, has ours follow it"
    sites("exec", server, "--", "nft", "flush", "ruleset")
    assert reaches()
    wanted = {"old": "none", "new": "that of /etc/k8s-monitoring.nft"}
    assert changes("test=True") == {"k8s-monitoring-firewall-in-force": {table: wanted}}
    assert changes() == {"k8s-monitoring-firewall-in-force": {table: wanted}}
    assert not reaches()
    assert changes() == {}
