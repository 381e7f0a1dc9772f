"""The monitoring agent and Consul on every server of two datacenters, by their highstates alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import CONSUL_SERVERS, ENOUGH, LIAR, OUTSIDE, SERVERS, ask, consul
from lab_session import Lab, wait_until


def ours(states: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return all states but the one that lets a server join: the liar's is refused."""
    return {state["__id__"]: state for state in states.values() if state["__id__"] != "k8s-joined"}


@pytest.mark.parametrize("server", SERVERS)
def test_one_highstate_does_it(first: dict[str, Any], server: str) -> None:
    states = ours(first[server])
    assert len(states) > 10
    assert {name: state["comment"] for name, state in states.items() if state["result"] is not True} == {}


# Those of dc2 answer Prometheus only: see test_2_prometheus.py.
@pytest.mark.parametrize("server", [server for server in SERVERS if server.startswith("dc1")])
def test_the_monitoring_agent_answers_with_metrics_of_ours(
    sites: Lab, first: dict[str, Any], server: str
) -> None:
    def told() -> bool:
        status, text = ask(sites, server, "GET", "http://127.0.0.1:9100/metrics")
        return status == 200 and "k8s_textfile_last_success_timestamp_seconds 1" in text

    wait_until("the first metrics made by the timer", told, 90)
    sites("exec", server, "--", "systemctl", "start", "k8s-textfile")
    _, text = ask(sites, server, "GET", "http://127.0.0.1:9100/metrics")
    assert 'k8s_textfile_failed{part="services"} 0' in text
    assert 'k8s_service_active{service="consul"} 1' in text
    assert 'k8s_certificate_file_readable{path="/etc/consul.d/tls/authority.pem"} 1' in text
    assert "node_textfile_scrape_error 0" in text
    assert "node_load1 " in text
    assert "go_memstats_alloc_bytes" in text
    assert "node_zfs" not in text


def test_every_server_is_a_member_in_its_datacenter(sites: Lab, first: dict[str, Any]) -> None:
    for datacenter, server in CONSUL_SERVERS.items():
        members = {one["Name"]: one["Status"] for one in consul(sites, server, "agent/members")}
        assert members == {name: 1 for name in SERVERS if name.startswith(datacenter)}
    assert set(consul(sites, OUTSIDE, "catalog/datacenters")) == {"dc1", "dc2"}


def test_roles_and_services_are_registered(sites: Lab, first: dict[str, Any]) -> None:
    def of(server: str) -> set[str]:
        datacenter = server.partition("-")[0]
        return set(consul(sites, OUTSIDE, f"catalog/node/{server}?dc={datacenter}")["Services"])

    assert of("dc1-cp-1") == {"consul", "node-exporter"}
    assert of("dc2-cp-1") == {"consul", "node-exporter", "kubernetes"}
    assert of("dc1-mon-1") == {"node-exporter", "prometheus", "alertmanager"}
    services = {"inventory", "redis", "redis-exporter", "mariadb", "mysqld-exporter"}
    assert of(OUTSIDE) == {"node-exporter", "prometheus-central", *services}
    found = consul(sites, OUTSIDE, "catalog/service/kubernetes?dc=dc2")
    assert [sorted(one["ServiceTags"]) for one in found] == [["control-plane", "dc2-prod"]]
    wait_until(
        "node-exporter to be well everywhere in dc1",
        lambda: len(consul(sites, OUTSIDE, "health/service/node-exporter?passing=1")) == 4,
        ENOUGH,
    )
    [node] = consul(sites, OUTSIDE, "health/service/kubernetes?passing=1&dc=dc2")
    assert node["Node"]["Node"] == "dc2-cp-1"


def test_dns_finds_a_service_of_the_other_datacenter(sites: Lab, first: dict[str, Any]) -> None:
    serve = "systemd-run --quiet python3 -m http.server 8080"
    sites("exec", OUTSIDE, "--", "sh", "-c", serve)
    asking = CONSUL_SERVERS["dc2"]
    sites.salt(asking, "pkg.install", "bind9-dnsutils", "install_recommends=False")
    dig = ("exec", asking, "--", "dig", "+short", "@127.0.0.1", "-p", "8600", "inventory.service.dc1.consul")
    wait_until("the answer", lambda: sites(*dig).stdout.split() == ["10.11.0.41"], ENOUGH)


def test_nothing_is_registered_nor_read_without_a_token(sites: Lab, first: dict[str, Any]) -> None:
    api = "http://127.0.0.1:8500/v1"
    service = json.dumps({"Name": "intruder", "Port": 1})
    node = json.dumps({"Node": "intruder", "Address": "10.11.0.99"})
    assert ask(sites, OUTSIDE, "PUT", f"{api}/agent/service/register", service)[0] == 403
    assert ask(sites, OUTSIDE, "PUT", f"{api}/catalog/register", node)[0] == 403
    assert ask(sites, OUTSIDE, "GET", f"{api}/kv/secret")[0] == 403
    assert ask(sites, OUTSIDE, "GET", f"{api}/kv/secret?dc=dc2")[0] == 403
    assert ask(sites, OUTSIDE, "GET", f"{api}/acl/tokens")[0] == 403


def test_a_server_that_lies_in_its_grains_gets_what_its_id_entitles_it_to(
    sites: Lab, first: dict[str, Any]
) -> None:
    sites.salt(LIAR, "grains.setval", "datacenter", "dc2")
    sites.salt(LIAR, "saltutil.refresh_pillar", "wait=True")
    assert set(sites.salt(LIAR, "pillar.ls")) == {"k8s_datacenter"}
    # Salt masks what it returns of a pillar itself.
    template = "string={{ pillar['k8s_datacenter']['name'] }}"
    assert sites.salt(LIAR, "slsutil.renderer", template, "default_renderer=jinja") == "dc1"
    assert "this is no Consul server" in str(sites.salt(LIAR, "k8s_consul.mint", LIAR, "dc1", "[]", "x"))
    secrets = sites("exec", LIAR, "--", "ls", "/etc/consul.d/tls").stdout.split()
    assert secrets == ["authority.pem"]


def test_a_second_highstate_changes_nothing(sites: Lab, first: dict[str, Any]) -> None:
    for server, states in sites.salts(SERVERS, "state.highstate", "queue=True").items():
        assert {name: one["changes"] for name, one in ours(states).items() if one["changes"]} == {}, server
        assert all(one["result"] is True for one in ours(states).values()), server
