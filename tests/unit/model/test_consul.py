"""What Consul is told: in the form of its version, without a secret beside those that belong there."""

import json
from dataclasses import replace

import pytest
import yaml

from k8s_lifecycle.model import consul, datacenters
from k8s_lifecycle.model.consul import Membership

SPEC = """
servers: ["dc1-*"]
consul:
  package: {version: 1.8.7+dfsg1-2+b3}
  servers: {dc1-s-1: 10.11.0.1, dc1-s-2: 10.11.0.2, dc1-s-3: 10.11.0.3}
  services:
    redis: {servers: ["dc1-r-*"], port: 6379, tags: [cache], check: {tcp: "127.0.0.1:6379", interval: 3}}
    shop: {servers: [dc1-r-1], port: 80, check: {http: "http://127.0.0.1/health"}}
"""
PEERS = {"dc3": ["10.13.0.1"], "dc2": ["10.12.0.1", "10.12.0.2"]}
NODE = Membership("dc1-prod", "prod", "worker", "general")


@pytest.fixture(scope="module")
def datacenter():
    found = datacenters.from_dict({"name": "dc1", **yaml.safe_load(SPEC)})
    assert found.consul.version == (1, 8, 7)
    return found


def of_version(datacenter, version):
    package = replace(datacenter.consul.package, version=version)
    return replace(datacenter, consul=replace(datacenter.consul, package=package))


def test_a_server_of_consul_joins_the_others_and_other_datacenters(datacenter):
    told = consul.agent(datacenter, "dc1-s-2", "10.11.0.2", PEERS)
    assert told["server"] is True
    assert told["bootstrap_expect"] == 3
    assert told["retry_join"] == ["10.11.0.1", "10.11.0.3"]
    assert told["retry_join_wan"] == ["10.12.0.1", "10.12.0.2", "10.13.0.1"]
    assert told["auto_encrypt"] == {"allow_tls": True}


def test_an_agent_joins_the_servers_and_asks_for_its_certificate(datacenter):
    told = consul.agent(datacenter, "dc1-w-1", "10.11.0.21", PEERS)
    assert told["retry_join"] == ["10.11.0.1", "10.11.0.2", "10.11.0.3"]
    assert told["auto_encrypt"] == {"tls": True}
    assert (told["bind_addr"], told["client_addr"]) == ("10.11.0.21", "127.0.0.1")
    assert not {"server", "retry_join_wan", "cert_file", "connect"} & set(told)


def test_every_form_denies_what_is_not_allowed_and_verifies_both_sides(datacenter):
    for version in ("1.8.7-2", "1.12.0-1", "1.22.1-1"):
        told = consul.agent(of_version(datacenter, version), "dc1-s-1", "10.11.0.1", {})
        assert told["acl"]["enabled"] is True
        assert told["acl"]["default_policy"] == "deny"
        text = json.dumps(told)
        assert '"verify_server_hostname": true' in text
        assert '"verify_outgoing": true' in text
        assert '"verify_incoming": true' in text or '"verify_incoming_rpc": true' in text


def test_tls_has_the_form_of_the_version(datacenter):
    old = consul.agent(datacenter, "dc1-s-1", "10.11.0.1", {})
    assert old["ca_file"] == consul.AUTHORITY
    assert old["cert_file"] == consul.CERTIFICATE
    assert "tls" not in old
    new = consul.agent(of_version(datacenter, "1.22.1-1"), "dc1-s-1", "10.11.0.1", {})
    assert new["tls"]["defaults"] == {
        "ca_file": consul.AUTHORITY,
        "cert_file": consul.CERTIFICATE,
        "key_file": consul.KEY,
        "verify_outgoing": True,
    }
    assert new["tls"]["internal_rpc"] == {"verify_incoming": True, "verify_server_hostname": True}
    assert "ca_file" not in new
    assert new["ports"] == {"grpc": -1, "grpc_tls": -1}


@pytest.mark.parametrize(
    ("version", "name"),
    [("1.8.7-2", "master"), ("1.11.0-1", "initial_management"), ("1.22.1-1", "initial_management")],
)
def test_only_a_server_of_consul_has_the_management_token(datacenter, version, name):
    wanted = of_version(datacenter, version).consul
    told = consul.secrets(wanted, "key", "own", "management")
    assert told == {"encrypt": "key", "acl": {"tokens": {"agent": "own", name: "management"}}}
    assert consul.secrets(wanted, "key", "own", None)["acl"] == {"tokens": {"agent": "own"}}


def test_a_server_registers_what_its_id_and_its_place_in_a_cluster_say(datacenter):
    names = consul.service_names
    assert names(datacenter, "dc1-x-1", None) == ["node-exporter"]
    assert names(datacenter, "dc1-w-1", NODE) == ["node-exporter", "kubernetes"]
    assert names(datacenter, "dc1-r-1", None) == ["node-exporter", "redis", "shop"]
    assert names(datacenter, "dc1-s-9", Membership("dc1-prod", "prod", "spare", None)) == ["node-exporter"]


def test_the_place_of_a_node_is_what_its_id_gives_it():
    place = {"environment": "prod", "cluster": "dc1-prod", "role": "worker", "pool": "general"}
    assert consul.place(NODE) == place
    control_plane = Membership("dc1-prod", "prod", "control-plane", None)
    assert consul.place(control_plane) == {
        "environment": "prod",
        "cluster": "dc1-prod",
        "role": "control-plane",
    }
    assert consul.place(None) == {}


def test_a_prometheus_server_registers_both_and_no_other_does(datacenter):
    wanted = {
        "servers": {"dc1-mon-1": "10.11.0.5"},
        "environment": "infra",
        "alertmanager": {"webhook": "http://chat.example/"},
    }
    mapping = {"name": "dc1", **yaml.safe_load(SPEC), "monitoring": {"prometheus": wanted}}
    found = datacenters.from_dict(mapping)
    assert consul.service_names(found, "dc1-x", None) == ["node-exporter"]
    _, prometheus, alertmanager = consul.services(found, "dc1-mon-1", None)
    assert (prometheus["name"], prometheus["port"]) == ("prometheus", 9090)
    assert prometheus["checks"][0]["http"] == "http://127.0.0.1:9090/-/ready"
    assert (alertmanager["name"], alertmanager["port"]) == ("alertmanager", 9093)
    central = {"servers": {"dc1-c-1": "10.11.0.4"}, "port": 9999}
    mapping["monitoring"]["central"] = central
    (_, found) = consul.services(datacenters.from_dict(mapping), "dc1-c-1", None)
    assert (found["name"], found["port"]) == ("prometheus-central", 9999)
    assert found["checks"][0]["tcp"] == "127.0.0.1:9999"


def test_a_service_has_its_check(datacenter):
    found = {one["name"]: one for one in consul.services(datacenter, "dc1-r-1", NODE)}
    assert found["redis"]["tags"] == ["cache"]
    (check,) = found["redis"]["checks"]
    assert (check["tcp"], check["interval"], check["timeout"]) == ("127.0.0.1:6379", "3s", "5s")
    assert found["shop"]["checks"][0]["http"] == "http://127.0.0.1/health"
    assert found["kubernetes"]["tags"] == ["worker", "dc1-prod", "general"]
    assert found["kubernetes"]["checks"][0]["http"] == "http://127.0.0.1:10248/healthz"


def test_node_exporter_behind_tls_is_only_seen_to_listen(datacenter):
    (plain,) = consul.services(datacenter, "dc1-x", None)[0]["checks"]
    assert plain["http"] == "http://127.0.0.1:9100/"
    exporter = replace(datacenter.monitoring.node_exporter, tls=True)
    hidden = replace(datacenter, monitoring=replace(datacenter.monitoring, node_exporter=exporter))
    (check,) = consul.services(hidden, "dc1-x", None)[0]["checks"]
    assert check["tcp"] == "127.0.0.1:9100"


CLUSTERS = {"dc1-prod": ["web", "pay-*"], "dc1-test": ["test-*"]}
CONTROL_PLANE = Membership("dc1-prod", "prod", "control-plane", None)


@pytest.fixture
def with_clusters():
    mapping = {"name": "dc1", **yaml.safe_load(SPEC)}
    dns = {"pods": True, "dnsmasq": ["dc1-x-*"]}
    return datacenters.from_dict(
        {**mapping, "consul": {**mapping["consul"], "kubernetes": CLUSTERS, "dns": dns}}
    )


def test_only_control_planes_of_a_cluster_that_is_named_write_for_it(with_clusters, datacenter):
    assert consul.writes_for(with_clusters, CONTROL_PLANE) == "dc1-prod"
    for other in (
        NODE,
        None,
        replace(CONTROL_PLANE, cluster="dc1-else"),
        replace(CONTROL_PLANE, role="spare"),
    ):
        assert consul.writes_for(with_clusters, other) is None
    assert consul.writes_for(datacenter, CONTROL_PLANE) is None


def test_a_cluster_may_write_its_own_node_and_its_own_names(with_clusters):
    assert consul.cluster_policies(with_clusters) == {
        "k8s-lifecycle-cluster-dc1-prod": (
            'node "k8s_dc1-prod" { policy = "write" }\n'
            'service "web" { policy = "write" }\n'
            'service_prefix "pay-" { policy = "write" }\n'
        ),
        "k8s-lifecycle-cluster-dc1-test": (
            'node "k8s_dc1-test" { policy = "write" }\nservice_prefix "test-" { policy = "write" }\n'
        ),
    }
    token = consul.cluster_token("dc1", "dc1-cp-1", "dc1-prod")
    assert token["Policies"] == [{"Name": "k8s-lifecycle-cluster-dc1-prod"}]
    assert token["AccessorID"] != consul.accessor("dc1", "dc1-cp-1")
    assert not {"NodeIdentities", "ServiceIdentities"} & set(token)


def test_only_nodes_answer_pods(with_clusters, datacenter):
    def addresses(found, membership):
        return consul.agent(found, "dc1-w-1", "10.11.0.21", {}, membership).get("addresses")

    assert addresses(with_clusters, NODE) == {"dns": "127.0.0.1 169.254.20.53"}
    assert addresses(with_clusters, CONTROL_PLANE) == {"dns": "127.0.0.1 169.254.20.53"}
    assert addresses(with_clusters, None) is None
    assert addresses(with_clusters, replace(NODE, role="spare")) is None
    assert addresses(datacenter, NODE) is None


def test_a_resolver_is_told_where_the_file_says_so(with_clusters):
    assert consul.resolver(with_clusters, "dc1-x-1", "dnsmasq")
    assert not consul.resolver(with_clusters, "dc1-w-1", "dnsmasq")
    assert not consul.resolver(with_clusters, "dc1-x-1", "resolved")


def test_a_token_is_for_one_node_and_has_a_name_of_its_own():
    token = consul.token("dc1", "dc1-w-1", ["node-exporter"])
    assert token["NodeIdentities"] == [{"NodeName": "dc1-w-1", "Datacenter": "dc1"}]
    assert token["ServiceIdentities"] == [{"ServiceName": "node-exporter"}]
    assert token["Local"] is True
    others = {consul.accessor("dc1", "dc1-w-2"), consul.accessor("dc2", "dc1-w-1")}
    assert token["AccessorID"] not in others
    assert token["AccessorID"] == consul.accessor("dc1", "dc1-w-1")


def test_no_server_is_forgotten_because_it_was_off(datacenter):
    """Consul's own defaults: after three days, and dead Consul servers at once."""
    own, other = (consul.agent(datacenter, server, "10.11.0.2", PEERS) for server in ("dc1-s-2", "dc1-w-1"))
    assert own["autopilot"] == {"cleanup_dead_servers": False}
    assert own["reconnect_timeout_wan"] == own["reconnect_timeout"] == other["reconnect_timeout"]
    assert int(own["reconnect_timeout"].removesuffix("h")) > 365 * 24
