"""Metrics of Kubernetes itself in a real Prometheus outside the cluster, and who else is shown none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import promql
import pytest
import yaml
from lab_session import Lab, own_layout, wait_until

CLUSTER, CONTROL_PLANE, MONITOR = "dc2-prod", "dc2-cp-1", "dc2-mon-1"
SERVERS = {
    CONTROL_PLANE: {
        "datacenter": "dc2",
        "environment": "prod",
        "role": "control-plane",
        "address": "10.12.0.11",
    },
    MONITOR: {"datacenter": "dc2", "environment": "prod", "address": "10.12.0.5"},
}
PROMETHEUS = {
    "servers": {MONITOR: "10.12.0.5"},
    "environment": "infra",
    "interval": 5,
    "alertmanager": {"webhook": "http://10.12.0.5:1/"},
}
OF_THE_CLUSTER = {
    "apiserver", "cadvisor", "coredns", "etcd", "kube-controller-manager", "kube-scheduler", "kubelet",
}  # fmt: skip
ENOUGH = 240
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


@pytest.fixture(scope="module", autouse=True)
def _own_lab() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_NAME", "metrics")
        yield


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control plane and a server outside its cluster, with a Prometheus."""
    changes = {"servers": SERVERS, "datacenters": {"dc2": "10.12.0.0/24"}}
    own = own_layout("discovery", tmp_path_factory.mktemp("metrics"), **changes)
    datacenters = own.parent / "pillar/datacenters"
    (datacenters / "dc1.yaml").unlink()
    spec = yaml.safe_load((datacenters / "dc2.yaml").read_text())
    (datacenters / "dc2.yaml").write_text(yaml.safe_dump({**spec, "monitoring": {"prometheus": PROMETHEUS}}))
    return own


@pytest.fixture(scope="module")
def measured(built: Lab, layout: Path) -> Iterator[Lab]:
    """A cluster is provisioned and both servers have had a highstate; nobody has done anything more."""
    built("down")
    try:
        built("up", str(layout))
        built.run("k8s.provision", CLUSTER)
        for server, states in built.salts([*SERVERS], "state.highstate").items():
            failed = {one["__id__"]: one["comment"] for one in states.values() if one["result"] is not True}
            assert failed == {}, server
        yield built
    finally:
        built("down")


def query(lab: Lab, expression: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = prometheus(lab, f"query?query={quote(expression)}")["result"]
    return found


def prometheus(lab: Lab, path: str) -> Any:
    fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
    url = f"http://127.0.0.1:9090/api/v1/{path}"
    return json.loads(lab("exec", MONITOR, "--", "python3", "-c", fetch, url).stdout)["data"]


def up(lab: Lab) -> dict[str, set[str]]:
    """The jobs of the cluster, and what their targets are said to be."""
    found: dict[str, set[str]] = {}
    for one in query(lab, f'up{{cluster="{CLUSTER}", job!="node"}}'):
        found.setdefault(one["metric"]["job"], set()).add(one["value"][1])
    return found


def ask(lab: Lab, server: str, url: str, authority: str, *pair: str) -> str:
    return lab("exec", server, "--", "python3", "-c", ASK, url, authority, *pair).stdout.strip()


def own(lab: Lab, url: str) -> str:
    """What Prometheus itself would be told."""
    return ask(lab, MONITOR, url, f"{OWN}/{CLUSTER}.ca", f"{OWN}/{CLUSTER}.crt", f"{OWN}/client.key")


def test_all_of_the_cluster_is_measured(measured: Lab) -> None:
    wait_until(
        "all of it to answer", lambda: up(measured) == {job: {"1"} for job in OF_THE_CLUSTER}, ENOUGH, every=3
    )
    labels = query(measured, 'up{job="etcd"}')[0]["metric"]
    place = {"datacenter": "dc2", "environment": "prod", "cluster": CLUSTER, "role": "control-plane"}
    assert labels == {"__name__": "up", "job": "etcd", "instance": CONTROL_PLANE, **place}
    pods = {one["metric"]["instance"] for one in query(measured, 'up{job="coredns"}')}
    assert len(pods) == 2


def test_all_that_the_rules_use_of_a_cluster_is_there_and_they_are_well(measured: Lab) -> None:
    wanted = {name for name in promql.used() if name.startswith(promql.CLUSTERS)}

    def missing() -> set[str]:
        return wanted - set(prometheus(measured, "label/__name__/values"))

    wait_until(f"all of {', '.join(sorted(wanted))}", lambda: not missing(), ENOUGH, every=3)
    rules = [rule for group in prometheus(measured, "rules")["groups"] for rule in group["rules"]]
    assert [rule for rule in rules if rule["health"] == "err"] == []
    assert "ControlPlaneComponentDown" in {rule["name"] for rule in rules}


def test_prometheus_may_read_metrics_and_nothing_else(measured: Lab) -> None:
    shown = (f"{API}/metrics", f"{KUBELET}/metrics/cadvisor", f"{PROXY}/etcd/metrics")
    assert {url: own(measured, url) for url in shown} == dict.fromkeys(shown, "200")
    refused = (
        f"{API}/api/v1/namespaces/kube-system/secrets",
        f"{API}/api/v1/nodes",
        f"{API}/api/v1/nodes/{CONTROL_PLANE}/proxy/metrics",
        f"{KUBELET}/pods",
        f"{KUBELET}/configz",
    )
    assert {url: own(measured, url) for url in refused} == dict.fromkeys(refused, "403")
    assert own(measured, f"{PROXY}/kube-controller-manager/configz") == "404"


def test_nobody_else_is_shown_metrics(measured: Lab) -> None:
    authority, metrics = "/etc/kubernetes/pki/ca.crt", f"{PROXY}/etcd/metrics"
    assert "CERTIFICATE_REQUIRED" in ask(measured, MONITOR, metrics, f"{OWN}/{CLUSTER}.ca").upper()
    # One that may do everything in the cluster is not this one either.
    mighty = (f"/etc/kubernetes/pki/apiserver-kubelet-client.{end}" for end in ("crt", "key"))
    assert ask(measured, CONTROL_PLANE, metrics, authority, *mighty) == "403"
    assert "timed out" in ask(measured, "master", metrics, "/etc/ssl/certs/ca-certificates.crt")


def test_the_proxy_is_nobody_and_has_one_key(measured: Lab) -> None:
    shown = measured(
        "exec", CONTROL_PLANE, "--", "systemctl", "show", "k8s-metrics-proxy",
        "--property=DynamicUser,ActiveState,NRestarts",
    ).stdout.split()  # fmt: skip
    assert set(shown) == {"DynamicUser=yes", "ActiveState=active", "NRestarts=0"}
    (pid, *_) = measured.processes(CONTROL_PLANE, "k8s-metrics-proxy")
    status = Path(f"/proc/{pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert "Uid:\t0" not in status


def test_the_key_of_prometheus_is_nowhere_else(measured: Lab) -> None:
    key = measured("exec", MONITOR, "--", "cat", f"{OWN}/client.key").stdout.splitlines()[1]
    for server in ("master", MONITOR, CONTROL_PLANE):
        where = ("/var/log/salt", "/var/cache/salt")
        found = measured(
            "exec", server, "--", "grep", "--recursive", "--files-with-matches", key, *where, check=False
        )
        assert found.stdout == "", server


def test_a_second_highstate_changes_nothing(measured: Lab) -> None:
    for server, states in measured.salts([*SERVERS], "state.highstate", "queue=True").items():
        changed = {one["__id__"]: one["changes"] for one in states.values() if one["changes"]}
        assert {name: found for name, found in changed.items() if "highstate" not in name} == {}, server
        assert all(one["result"] is True for one in states.values()), server


def test_a_certificate_that_is_lost_is_asked_for_again(measured: Lab) -> None:
    measured("exec", MONITOR, "--", "rm", f"{OWN}/{CLUSTER}.crt")
    measured.salt(MONITOR, "state.apply", "k8s.prometheus", "queue=True")
    wait_until("a new one", lambda: own(measured, f"{API}/metrics") == "200", 60)
