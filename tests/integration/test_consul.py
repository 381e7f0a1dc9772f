"""Consul itself, on loopback: two datacenters of one server each, joined, with an agent in the first."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from consul_site import Site, wait_until

from k8s_lifecycle.cluster import sealing
from k8s_lifecycle.decision import gossip as decision
from k8s_lifecycle.discovery import acl, admission, gossip, store
from k8s_lifecycle.discovery.agent import Agent, AgentError
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import consul

ADDRESSES = {"dc1-s": "127.0.1.1", "dc2-s": "127.0.2.1", "dc1-w": "127.0.1.2", "dc1-x": "127.0.1.3"}
SPEC = """
servers: ["{name}-*"]
consul:
  package: {{version: 1.8.7+dfsg1-2+b3}}
  servers: {{{name}-s: {address}}}
  services:
    redis: {{servers: ["dc1-w"], port: 6379, check: {{tcp: "127.0.1.1:8500"}}}}
    mariadb: {{servers: ["dc1-db"], port: 3306, check: {{tcp: "127.0.1.1:8500"}}}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two Consul servers with their ACLs set up, and one agent, admitted as the product does it."""
    specs = {name: SPEC.format(name=name, address=ADDRESSES[f"{name}-s"]) for name in ("dc1", "dc2")}
    made = Site(tmp_path_factory.mktemp("consul"), specs, ADDRESSES)
    try:
        for name in specs:
            made.start_server(name)
        made.start("dc1-w", admitted(made, "dc1-w"))
        wait_until("dc1-w in the catalogue", lambda: "redis" in services(made, "dc1-w"))
        yield made
    finally:
        made.stop_all()


def admitted(site: Site, server: str) -> store.Credentials:
    """Ask, mint on the Consul server, open on the server that asked."""
    run, kept = site.folder / server / "run", site.folder / server / "kept"
    here = site.situation(server)
    assert admission.requested(run) is None
    admission.request("dc1", run)
    public = admission.requested(run)
    assert public
    applicant = admission.Applicant("dc1", server, tuple(here.services), public)
    access = site.access("dc1-s")
    assert access.datacenter == "dc1"
    box = admission.mint(Agent(access.management_token, f"{ADDRESSES['dc1-s']}:8500"), access, applicant)
    token = site.management("dc1").get(f"acl/token/{_accessor(server)}")["SecretID"]
    assert token not in box
    with pytest.raises(sealing.SealError):
        admission.accept(box, "another", run, kept)
    admission.request("dc1", run)
    applicant = admission.Applicant("dc1", server, tuple(here.services), admission.requested(run) or "")
    box = admission.mint(site.management("dc1"), access, applicant)
    credentials = admission.accept(box, server, run, kept)
    assert credentials == store.read(kept)
    assert credentials.token == token
    with pytest.raises(HostError, match="used it"):
        admission.accept(box, server, run, kept)
    return credentials


def _accessor(server: str) -> str:
    return consul.accessor("dc1", server)


def services(site: Site, server: str, asked: str = "dc1-s") -> set[str]:
    found = site.agent(asked).get(f"catalog/node/{server}", dc="dc1")
    return set(found["Services"]) if found else set()


def test_an_agent_registers_its_server_and_what_the_spec_has_for_it(site: Site) -> None:
    wait_until("all of it", lambda: services(site, "dc1-w") == {"node-exporter", "redis"})


def test_acls_are_set_up_once(site: Site) -> None:
    agent = site.management("dc1")
    policies = agent.get("acl/policies")
    assert acl.catalogue_is_open(agent)
    acl.open_catalogue(agent)
    assert len(agent.get("acl/policies")) == len(policies)


def test_a_token_is_changed_where_the_services_do_and_stays_the_same_otherwise(site: Site) -> None:
    agent = site.management("dc1")
    first = acl.grant(agent, "dc1", "dc1-t", ["node-exporter"])
    assert acl.grant(agent, "dc1", "dc1-t", ["node-exporter", "redis"]) == first
    token = agent.get(f"acl/token/{_accessor('dc1-t')}")
    assert [one["ServiceName"] for one in token["ServiceIdentities"]] == ["node-exporter", "redis"]
    agent.put(f"acl/token/{_accessor('dc1-t')}", {**token, "Policies": [{"Name": "global-management"}]})
    acl.grant(agent, "dc1", "dc1-t", ["node-exporter"])
    token = agent.get(f"acl/token/{_accessor('dc1-t')}")
    assert not token.get("Policies")


@pytest.mark.parametrize("method", ["put", "get"])
def test_no_key_is_read_or_written_without_a_token_that_may(site: Site, method: str) -> None:
    token = store.read(site.folder / "dc1-w/kept")
    assert token
    for given in (None, token.token, str(uuid.uuid4())):
        with pytest.raises(AgentError) as refused:
            getattr(site.agent("dc1-s", given), method)("kv/secret")
        assert refused.value.status == 403


def test_nothing_is_registered_without_a_token_that_may(site: Site) -> None:
    node = {"Node": "intruder", "Address": "127.9.9.9"}
    other = {"Node": "dc1-w", "Address": "127.0.1.2", "Service": {"Service": "mariadb", "Port": 3306}}
    kept = store.read(site.folder / "dc1-w/kept")
    assert kept
    for token, content in [(None, node), (kept.token, node), (kept.token, other), (str(uuid.uuid4()), node)]:
        with pytest.raises(AgentError) as refused:
            site.agent("dc1-s", token).put("catalog/register", content)
        assert refused.value.status == 403
    assert "intruder" not in {one["Node"] for one in site.agent("dc1-s").get("catalog/nodes")}


def test_an_agent_without_a_token_gets_no_certificate_and_is_not_let_in(site: Site) -> None:
    credentials = store.read(site.folder / "dc1-w/kept")
    assert credentials
    forged = store.Credentials(str(uuid.uuid4()), credentials.gossip_key, credentials.authority, [])
    site.start("dc1-x", forged)
    wait_until("the refusal", lambda: "AutoEncrypt.Sign RPC failed" in site.said("dc1-x"))
    assert "ACL not found" in site.said("dc1-x") or "Permission denied" in site.said("dc1-x")
    assert "dc1-x" not in {one["Node"] for one in site.agent("dc1-s").get("catalog/nodes")}
    site.stop("dc1-x")


def test_who_shows_no_certificate_is_not_talked_to(site: Site) -> None:
    """Consul's protocol without TLS: the first byte says what follows; 0 is a call."""
    with socket.create_connection((ADDRESSES["dc1-s"], 8300), 5) as connection:
        connection.sendall(b"\x00" + b"\x82\xadServiceMethod\xabStatus.Ping\xa3Seq\x01\xc0")
        assert connection.recv(100) == b""


def test_the_catalogue_is_read_across_datacenters_and_nothing_else(site: Site) -> None:
    wait_until("the join", lambda: len(site.agent("dc2-s").get("catalog/datacenters")) == 2)
    wait_until("dc1 seen from dc2", lambda: services(site, "dc1-w", "dc2-s") == {"node-exporter", "redis"})
    for token in (None, site.secrets["dc2-s"]["consul"]["management_token"]):
        with pytest.raises(AgentError) as refused:
            site.agent("dc2-s", token).get("kv/secret", dc="dc1")
        assert refused.value.status == 403


def test_dns_answers_from_the_other_datacenter(site: Site) -> None:
    wait_until("redis well", lambda: site.agent("dc2-s").get("health/service/redis", dc="dc1", passing="1"))
    wait_until("the answer", lambda: resolve("redis.service.dc1.consul", ADDRESSES["dc2-s"]) == ["127.0.1.2"])


def resolve(name: str, server: str) -> list[str]:
    """Ask a DNS server for A records, by the protocol itself (RFC 1035)."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question, (server, 8600))
        answer = asking.recv(512)
    count = int.from_bytes(answer[6:8], "big")
    records, place = [], 12 + len(question)
    for _ in range(count):
        place += 2 if answer[place] & 0xC0 else len(question) - 4
        length = int.from_bytes(answer[place + 8 : place + 10], "big")
        records.append(".".join(str(byte) for byte in answer[place + 10 : place + 10 + length]))
        place += 10 + length
    return records


def test_a_server_that_comes_back_with_an_empty_disk_is_the_same_node(site: Site) -> None:
    kept = store.read(site.folder / "dc1-w/kept")
    assert kept
    site.stop("dc1-w")
    shutil.rmtree(site.folder / "dc1-w/data")
    site.start("dc1-w", kept)
    wait_until("its registration", lambda: "Synced node info" in site.said("dc1-w"))
    assert services(site, "dc1-w") == {"node-exporter", "redis"}


def test_the_gossip_key_is_changed_step_by_step_in_both_datacenters(site: Site) -> None:
    first = site.secrets["dc1-s"]["consul"]["gossip_key"]
    key = base64.b64encode(os.urandom(32)).decode()
    rings = {
        name: tuple(site.folder / f"{name}-s/data/serf/{kind}.keyring" for kind in ("local", "remote"))
        for name in ("dc1", "dc2")
    }
    assert gossip.used(rings["dc1"][0]) == first
    assert gossip.used(site.folder / "nothing") is None

    def looks() -> dict[str, dict[str, Any]]:
        return {name: gossip.look(site.management(name), key, *rings[name]) for name in rings}

    assert looks()["dc1"] | {"key": ""} == {
        "key": "", "members": 2, "have": 0, "use": 0, "others": True, "wan": "none", "gone": [],
    }  # fmt: skip
    for step in ("install", "use", "remove"):
        found = looks()
        assert decision.refusals(found, {}) == []
        assert decision.step(found) == step
        for name, own in rings.items():
            gossip.change(site.management(name), step, key, *own)
    assert decision.step(looks()) == ""
    for own in rings.values():
        assert [json.loads(ring.read_text()) for ring in own] == [[key], [key]]
    assert gossip.used(site.folder / "dc1-w/data/serf/local.keyring") == key
    wait_until("both datacenters", lambda: len(site.agent("dc2-s").get("catalog/datacenters")) == 2)
    with pytest.raises(AgentError):
        gossip.change(site.agent("dc1-s"), "install", first, *rings["dc1"])


def test_a_server_that_is_gone_is_forgotten(site: Site) -> None:
    kept = store.read(site.folder / "dc1-w/kept")
    assert kept
    site.stop("dc1-w")
    agent = site.management("dc1")
    # Consul may take the node out of the catalogue with the member.
    assert {"token", "member"} <= set(acl.forget(agent, "dc1", "dc1-w"))
    wait_until("no trace of it", lambda: acl.forget(agent, "dc1", "dc1-w") == [])
    assert "dc1-w" not in {one["Node"] for one in site.agent("dc1-s").get("catalog/nodes")}
    with pytest.raises(AgentError):
        site.agent("dc1-s", kept.token).get("acl/token/self")
