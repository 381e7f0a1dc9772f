"""Monitoring and Consul on every server of two datacenters, by their highstates alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lab_session import Lab, wait_until

CONSUL_SERVERS = {"dc1": "dc1-cp-1", "dc2": "dc2-cp-1"}
OUTSIDE, LIAR = "dc1-x-1", "dc1-x-2"
SERVERS = [*CONSUL_SERVERS.values(), OUTSIDE, LIAR]
ENOUGH = 120
# What a program on the server would do: its status and the text of the answer.
ASK = """
import sys, urllib.error, urllib.request
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
request = urllib.request.Request(sys.argv[2], method=sys.argv[1], data=sys.argv[3].encode() or None)
try:
    answer = direct.open(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
print(answer.read().decode())
"""


@pytest.fixture(scope="module", autouse=True)
def _own_lab() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_NAME", "discovery")
        yield


@pytest.fixture(scope="module")
def first(built: Lab) -> Iterator[dict[str, Any]]:
    """What the first highstate of all servers at once returned."""
    built("down")
    try:
        built("up", "discovery")
        yield built.salts(SERVERS, "state.highstate")
    finally:
        built("down")


def ask(lab: Lab, server: str, method: str, url: str, content: str = "") -> tuple[int, str]:
    done = lab("exec", server, "--", "python3", "-c", ASK, method, url, content)
    status, _, text = done.stdout.partition("\n")
    return int(status), text


def consul(lab: Lab, server: str, path: str) -> Any:
    status, text = ask(lab, server, "GET", f"http://127.0.0.1:8500/v1/{path}")
    assert status == 200, text
    return json.loads(text)


def ours(states: dict[str, Any]) -> dict[str, dict[str, Any]]:
    names = ("k8s-consul", "k8s-monitoring", "k8s-node-exporter", "k8s-site", "k8s-textfile")
    return {state["__id__"]: state for state in states.values() if state["__id__"].startswith(names)}


@pytest.mark.parametrize("server", SERVERS)
def test_one_highstate_does_it(first: dict[str, Any], server: str) -> None:
    states = ours(first[server])
    assert len(states) > 10
    assert {name: state["comment"] for name, state in states.items() if state["result"] is not True} == {}


@pytest.mark.parametrize("server", SERVERS)
def test_the_monitoring_agent_answers_with_metrics_of_ours(
    built: Lab, first: dict[str, Any], server: str
) -> None:
    def told() -> bool:
        status, text = ask(built, server, "GET", "http://127.0.0.1:9100/metrics")
        return status == 200 and "k8s_textfile_last_success_timestamp_seconds 1" in text

    wait_until("the first metrics made by the timer", told, 90)
    built("exec", server, "--", "systemctl", "start", "k8s-textfile")
    _, text = ask(built, server, "GET", "http://127.0.0.1:9100/metrics")
    assert 'k8s_textfile_failed{part="services"} 0' in text
    assert 'k8s_service_active{service="consul"} 1' in text
    assert 'k8s_certificate_file_readable{path="/etc/consul.d/tls/authority.pem"} 1' in text
    assert "node_textfile_scrape_error 0" in text
    assert "node_load1 " in text
    assert "go_memstats_alloc_bytes" in text
    assert "node_zfs" not in text


def test_every_server_is_a_member_in_its_datacenter(built: Lab, first: dict[str, Any]) -> None:
    for datacenter, server in CONSUL_SERVERS.items():
        members = {one["Name"]: one["Status"] for one in consul(built, server, "agent/members")}
        assert members == {name: 1 for name in SERVERS if name.startswith(datacenter)}
    assert set(consul(built, OUTSIDE, "catalog/datacenters")) == {"dc1", "dc2"}


def test_roles_and_services_are_registered(built: Lab, first: dict[str, Any]) -> None:
    def of(server: str) -> set[str]:
        datacenter = server.partition("-")[0]
        return set(consul(built, OUTSIDE, f"catalog/node/{server}?dc={datacenter}")["Services"])

    assert of("dc1-cp-1") == {"consul", "node-exporter", "kubernetes"}
    assert of(OUTSIDE) == {"node-exporter", "inventory"}
    found = consul(built, OUTSIDE, "catalog/service/kubernetes")
    assert [sorted(one["ServiceTags"]) for one in found] == [["control-plane", "dc1-prod"]]
    wait_until(
        "node-exporter to be well everywhere in dc1",
        lambda: len(consul(built, OUTSIDE, "health/service/node-exporter?passing=1")) == 3,
        ENOUGH,
    )


def test_dns_finds_a_service_of_the_other_datacenter(built: Lab, first: dict[str, Any]) -> None:
    serve = "systemd-run --quiet python3 -m http.server 8080"
    built("exec", OUTSIDE, "--", "sh", "-c", serve)
    asking = CONSUL_SERVERS["dc2"]
    built.salt(asking, "pkg.install", "bind9-dnsutils", "install_recommends=False")
    dig = ("exec", asking, "--", "dig", "+short", "@127.0.0.1", "-p", "8600", "inventory.service.dc1.consul")
    wait_until("the answer", lambda: built(*dig).stdout.split() == ["10.11.0.41"], ENOUGH)


def test_nothing_is_registered_nor_read_without_a_token(built: Lab, first: dict[str, Any]) -> None:
    api = "http://127.0.0.1:8500/v1"
    service = json.dumps({"Name": "intruder", "Port": 1})
    node = json.dumps({"Node": "intruder", "Address": "10.11.0.99"})
    assert ask(built, OUTSIDE, "PUT", f"{api}/agent/service/register", service)[0] == 403
    assert ask(built, OUTSIDE, "PUT", f"{api}/catalog/register", node)[0] == 403
    assert ask(built, OUTSIDE, "GET", f"{api}/kv/secret")[0] == 403
    assert ask(built, OUTSIDE, "GET", f"{api}/kv/secret?dc=dc2")[0] == 403
    assert ask(built, OUTSIDE, "GET", f"{api}/acl/tokens")[0] == 403


def test_a_server_that_lies_in_its_grains_gets_what_its_id_entitles_it_to(
    built: Lab, first: dict[str, Any]
) -> None:
    built.salt(LIAR, "grains.setval", "datacenter", "dc2")
    built.salt(LIAR, "saltutil.refresh_pillar", "wait=True")
    assert set(built.salt(LIAR, "pillar.ls")) == {"k8s_datacenter"}
    # Salt masks what it returns of a pillar itself.
    template = "string={{ pillar['k8s_datacenter']['name'] }}"
    assert built.salt(LIAR, "slsutil.renderer", template, "default_renderer=jinja") == "dc1"
    assert "this is no Consul server" in str(built.salt(LIAR, "k8s_consul.mint", LIAR, "dc1", "[]", "x"))
    secrets = built("exec", LIAR, "--", "ls", "/etc/consul.d/tls").stdout.split()
    assert secrets == ["authority.pem"]


def test_a_second_highstate_changes_nothing(built: Lab, first: dict[str, Any]) -> None:
    for server, states in built.salts(SERVERS, "state.highstate", "queue=True").items():
        assert {name: one["changes"] for name, one in ours(states).items() if one["changes"]} == {}, server
        assert all(one["result"] is True for one in ours(states).values()), server


def test_the_inventory_knows_the_agents(built: Lab, first: dict[str, Any]) -> None:
    told = built.run("k8s.inventory", check=False)["servers"]
    rows = {row["server"]: row for row in told if row["state"] == "answers"}
    assert {server: rows[server]["agent"] for server in SERVERS} == dict.fromkeys(SERVERS, "active")
    assert {server: rows[server]["highstate"] for server in (OUTSIDE, LIAR)} == {
        OUTSIDE: "ok",
        LIAR: "1 failed",
    }
    # The page of the service `inventory` is served on one of the two servers that register it.
    assert rows[OUTSIDE]["consul"] == "passing"
    assert rows[LIAR]["consul"] == "critical"


def test_no_token_is_in_any_log_of_salt(built: Lab, first: dict[str, Any]) -> None:
    kept = "/var/lib/k8s-lifecycle/consul.json"
    token = json.loads(built("exec", OUTSIDE, "--", "cat", kept).stdout)["token"]
    for server in ("master", OUTSIDE, CONSUL_SERVERS["dc1"]):
        found = built(
            "exec",
            server,
            "--",
            "grep",
            "--recursive",
            "--files-with-matches",
            token,
            "/var/log/salt",
            check=False,
        )
        assert found.stdout == "", server


def test_a_server_whose_key_is_deleted_is_forgotten(built: Lab, first: dict[str, Any]) -> None:
    built("kill", LIAR)
    built("salt-key", "--yes", f"--delete={LIAR}")

    def nodes() -> set[str]:
        return {one["Node"] for one in consul(built, OUTSIDE, "catalog/nodes")}

    wait_until("no trace of it", lambda: LIAR not in nodes(), ENOUGH)
    assert OUTSIDE in nodes()
