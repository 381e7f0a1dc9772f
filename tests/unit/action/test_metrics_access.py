"""Which Prometheus server is given certificates of which clusters."""

import pytest
import yaml
from answering import Answering

from k8s_lifecycle.action import agents, metrics_access
from k8s_lifecycle.action.scheduler import Scheduler
from k8s_lifecycle.model import datacenters
from k8s_lifecycle.model import spec as specs

DATACENTER = """
servers: ["dc{number}-*"]
consul: {{package: {{version: 1.8.7-2}}, servers: {{dc{number}-s-1: 10.1{number}.0.1}}}}
monitoring:
  prometheus:
    servers: {{dc{number}-mon-1: 10.1{number}.0.5}}
    environment: infra
    alertmanager: {{webhook: "http://chat.example/"}}
"""
PLACES = {"dc1-prod": 1, "dc1-test": 1, "dc2-prod": 2}
NETWORKS = {
    name: {"pods": f"10.{number}.0.0/16", "services": f"10.{number + 1}.0.0/16"}
    for name, number in zip(PLACES, (100, 110, 120), strict=True)
}


def cluster(name, number):
    return {
        "datacenter": f"dc{number}",
        "environment": "prod",
        "kubernetes": {"version": "1.37.2"},
        "control_plane": {
            "servers": [f"{name}-cp-{one}" for one in (1, 2, 3)],
            "endpoint": {"kind": "external", "host": f"api.{name}.example"},
        },
        "networks": NETWORKS[name],
        "network_addon": {"kind": "none"},
        "packages": {"containerd": {"version": "2.3.7-1"}},
    }


class Servers(Answering):
    """A Prometheus server that waits, and control planes that sign."""

    refusal = "the API server does not answer"

    def __init__(self):
        super().__init__()
        self.waiting = {"request": "a request", "clusters": ["dc1-prod", "dc1-test", "dc2-prod", "x"]}

    def value(self, call):
        values = {
            "k8s_consul.waiting": None,
            "k8s_prometheus.waiting": self.waiting,
            "k8s_csr.sign_prometheus": {"certificate": f"by {call.server}", "authority": "a CA"},
        }
        return values.get(call.function, True)


@pytest.fixture
def servers():
    return Servers()


@pytest.fixture
def site(tmp_path):
    """The datacenters and the clusters."""
    for number in (1, 2):
        (tmp_path / f"dc{number}.yaml").write_text(DATACENTER.format(number=number))
    (tmp_path / "clusters").mkdir()
    for name, number in PLACES.items():
        (tmp_path / f"clusters/{name}.yaml").write_text(yaml.safe_dump(cluster(name, number)))
    found = datacenters.load(tmp_path), specs.load(tmp_path / "clusters")
    assert [one.problems for one in found] == [[], []]
    return found


@pytest.fixture
def relay(servers, site):
    """A function that serves one server."""
    return lambda server: Scheduler(servers).run(metrics_access.relay(*site, server))


def test_each_cluster_of_the_datacenter_signs_and_no_other(servers, relay):
    relay("dc1-mon-1")
    signing = servers.calls("k8s_csr.sign_prometheus")
    assert [server.rpartition("-cp-")[0] for server, _ in signing] == ["dc1-prod", "dc1-test"]
    assert [arguments for _, arguments in signing] == [{"server": "dc1-mon-1", "request": "a request"}] * 2
    assert servers.calls("k8s_prometheus.accept") == [
        ("dc1-mon-1", {"cluster": name, "certificate": f"by {server}", "authority": "a CA"})
        for name, (server, _) in zip(("dc1-prod", "dc1-test"), signing, strict=True)
    ]


@pytest.mark.parametrize("server", ["dc1-w-1", "dc1-prod-cp-1", "web-1"])
def test_who_is_no_prometheus_server_is_not_even_asked(servers, relay, server):
    relay(server)
    assert servers.called == []


@pytest.mark.parametrize("waiting", [None, {"request": "a request", "clusters": []}])
def test_who_waits_for_nothing_is_given_nothing(servers, relay, waiting):
    servers.waiting = waiting
    relay("dc1-mon-1")
    assert {function for _, function, _ in servers.called} == {"k8s_prometheus.waiting"}


def test_any_control_plane_will_do(servers, relay):
    servers.silent, servers.refusing = {"dc1-prod-cp-1"}, {"dc1-prod-cp-2"}
    relay("dc1-mon-1")
    given = {told["cluster"]: told["certificate"] for _, told in servers.calls("k8s_prometheus.accept")}
    assert given["dc1-prod"] == "by dc1-prod-cp-3"


def test_a_cluster_that_does_not_sign_does_not_stand_in_the_way_of_others(servers, relay, caplog):
    servers.refusing = {f"dc1-prod-cp-{one}" for one in (1, 2, 3)}
    relay("dc1-mon-1")
    assert [arguments["cluster"] for _, arguments in servers.calls("k8s_prometheus.accept")] == ["dc1-test"]
    assert "dc1-mon-1 has no certificate of dc1-prod: no control plane signs it" in caplog.text


def test_the_engine_serves_it_beside_the_agent_of_consul(servers, site):
    known = {"dc1-mon-1"}
    ended = {}
    Scheduler(servers).run(agents.serve(*site, known, ["dc1-mon-1"], ended.__setitem__))
    assert ended == {"dc1-mon-1": ""}
    assert len(servers.calls("k8s_prometheus.accept")) == 2


def test_an_answer_that_makes_no_sense_is_noted_with_the_one_that_gave_it(servers, site):
    servers.waiting = "nonsense"
    ended = {}
    Scheduler(servers).run(agents.serve(*site, {"dc1-mon-1"}, ["dc1-mon-1", "web-1"], ended.__setitem__))
    assert ended["dc1-mon-1"]
    assert ended["web-1"] == ""
