"""Consul itself, on loopback: two datacenters of one server each, joined, with an agent in the first."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from consul_site import Site, wait_until

from k8s_lifecycle.cluster import sealing
from k8s_lifecycle.decision import gossip as decision
from k8s_lifecycle.discovery import acl, admission, catalogue, gossip, quorum, store
from k8s_lifecycle.discovery.agent import NO_SERVERS, Agent, AgentError
from k8s_lifecycle.discovery.catalogue import Cluster
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import consul
from k8s_lifecycle.model.kubernetes_services import OURS, Instance

ADDRESSES = {"dc1-s": "127.0.1.1", "dc2-s": "127.0.2.1", "dc1-w": "127.0.1.2", "dc1-x": "127.0.1.3"}
SPEC = """
servers: ["{name}-*"]
consul:
  package: {{version: 1.8.7+dfsg1-2+b3}}
  servers: {{{name}-s: {address}}}
  services:
    redis: {{servers: ["dc1-w"], port: 6379, check: {{tcp: "127.0.1.1:8500"}}}}
    mariadb: {{servers: ["dc1-db"], port: 3306, check: {{tcp: "127.0.1.1:8500"}}}}
    brief: {{servers: ["dc1-w"], port: 7777, check: {{tcp: "127.0.1.2:7777", interval: 2, timeout: 1}}}}
  kubernetes: {{{name}-prod: [shop, "pay-*"], {name}-test: [test]}}
"""
ALL = {"node-exporter", "kubernetes", "redis", "brief"}
ENDPOINT = {"endpoint": {"address": "10.11.0.100"}}
NETWORKS = {"pods": "10.244.0.0/16", "services": "10.96.0.0/12"}
NODE = {
    "cluster": "dc1-prod",
    "role": "worker",
    "pool": "general",
    "spec": {"environment": "prod", "control_plane": ENDPOINT, "networks": NETWORKS},
}
CLUSTER = Cluster("dc1-prod", "10.11.0.100")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two Consul servers with their ACLs set up, and one agent, admitted as the product does it."""
    specs = {name: SPEC.format(name=name, address=ADDRESSES[f"{name}-s"]) for name in ("dc1", "dc2")}
    made = Site(tmp_path_factory.mktemp("consul"), specs, ADDRESSES, {"dc1-w": NODE})
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
    first = site.management("dc1").get(f"acl/token/{_accessor(server)}")["SecretID"]
    assert first not in box
    with pytest.raises(sealing.SealError):
        admission.accept(box, "another", run, kept)
    admission.request("dc1", run)
    applicant = admission.Applicant("dc1", server, tuple(here.services), admission.requested(run) or "")
    box = admission.mint(site.management("dc1"), access, applicant)
    credentials = admission.accept(box, server, run, kept)
    assert credentials == store.read(kept)
    assert credentials.token == site.management("dc1").get(f"acl/token/{_accessor(server)}")["SecretID"]
    with pytest.raises(AgentError, match="ACL not found"):  # who asks again has lost it, to nobody knows whom
        site.agent("dc1-s", first).get("acl/token/self")
    with pytest.raises(HostError, match="used it"):
        admission.accept(box, server, run, kept)
    return credentials


def _accessor(server: str) -> str:
    return consul.accessor("dc1", server)


def services(site: Site, server: str, asked: str = "dc1-s") -> set[str]:
    found = site.agent(asked).get(f"catalog/node/{server}", dc="dc1")
    return set(found["Services"]) if found else set()


def test_an_agent_registers_its_server_and_what_the_spec_has_for_it(site: Site) -> None:
    wait_until("all of it", lambda: services(site, "dc1-w") == ALL)
    meta = site.agent("dc1-s").get("catalog/node/dc1-w")["Node"]["Meta"]
    assert (
        meta.items()
        >= {"environment": "prod", **{key: NODE[key] for key in ("cluster", "role", "pool")}}.items()
    )


def test_acls_are_set_up_once(site: Site) -> None:
    agent = site.management("dc1")
    policies = agent.get("acl/policies")
    assert acl.catalogue_is_open(agent)
    acl.open_catalogue(agent)
    assert len(agent.get("acl/policies")) == len(policies)


def test_consul_servers_may_set_up_the_acls_at_the_same_time(site: Site) -> None:
    """Each sees that a policy is not there, and makes it; all but one find that it is there by then."""
    agent, at_once = site.management("dc1"), 8
    wanted = consul.cluster_policies(site.datacenters.usable["dc1"])
    for _ in range(3):
        acl.set_cluster_policies(agent, {})
        together = threading.Barrier(at_once)

        def first_highstate(_: int, together: threading.Barrier = together) -> None:
            together.wait()
            acl.set_cluster_policies(agent, wanted)

        with ThreadPoolExecutor(at_once) as consul_servers:
            list(consul_servers.map(first_highstate, range(at_once)))
        assert acl.cluster_policies(agent) == wanted


def test_autopilot_forgets_no_server_whatever_it_was_told_before(site: Site) -> None:
    agent = site.management("dc1")
    assert quorum.autopilot(agent) == {}
    before = agent.get("operator/autopilot/configuration")
    changed = {**before, "CleanupDeadServers": True, "LastContactThreshold": "300ms"}
    agent.put("operator/autopilot/configuration", changed)
    assert quorum.autopilot(agent) == {"CleanupDeadServers": True}
    quorum.set_autopilot(agent)
    assert quorum.autopilot(agent) == {}
    assert agent.get("operator/autopilot/configuration")["LastContactThreshold"] == "300ms"


def test_a_token_is_changed_where_the_services_do_and_stays_the_same_otherwise(site: Site) -> None:
    agent, secret = site.management("dc1"), store.new_token()
    acl.grant(agent, consul.token("dc1", "dc1-t", ["node-exporter"]), secret)
    acl.grant(agent, consul.token("dc1", "dc1-t", ["node-exporter", "redis"]), secret)
    token = agent.get(f"acl/token/{_accessor('dc1-t')}")
    assert token["SecretID"] == secret
    assert [one["ServiceName"] for one in token["ServiceIdentities"]] == ["node-exporter", "redis"]
    agent.put(f"acl/token/{_accessor('dc1-t')}", {**token, "Policies": [{"Name": "global-management"}]})
    acl.grant(agent, consul.token("dc1", "dc1-t", ["node-exporter"]), secret)
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
    with pytest.raises(AgentError) as silent:  # it does not even say that its token is refused
        site.agent("dc1-x", forged.token).get("acl/token/self")
    assert silent.value.status is None
    site.stop("dc1-x")


def test_who_shows_no_certificate_is_not_talked_to(site: Site) -> None:
    """Consul's protocol without TLS: the first byte says what follows; 0 is a call."""
    with socket.create_connection((ADDRESSES["dc1-s"], 8300), 5) as connection:
        connection.sendall(b"\x00" + b"\x82\xadServiceMethod\xabStatus.Ping\xa3Seq\x01\xc0")
        assert connection.recv(100) == b""


def test_the_catalogue_is_read_across_datacenters_and_nothing_else(site: Site) -> None:
    wait_until("the join", lambda: len(site.agent("dc2-s").get("catalog/datacenters")) == 2)
    wait_until("dc1 seen from dc2", lambda: services(site, "dc1-w", "dc2-s") == ALL)
    for token in (None, site.secrets["dc2-s"]["consul"]["management_token"]):
        with pytest.raises(AgentError) as refused:
            site.agent("dc2-s", token).get("kv/secret", dc="dc1")
        assert refused.value.status == 403


def test_a_server_of_consul_sees_who_leads_and_who_votes(site: Site) -> None:
    wait_until("autopilot's opinion", lambda: quorum.look(site.management("dc1"))["healthy"])
    assert quorum.look(site.management("dc1")) == {"leader": "dc1-s", "voters": ["dc1-s"], "healthy": True}
    with pytest.raises(AgentError):
        quorum.look(site.agent("dc1-s"))


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


@pytest.fixture(scope="module")
def writer(site: Site) -> Agent:
    """The agent with the token of a control plane of dc1-prod, admitted as the product does it."""
    acl.set_cluster_policies(site.management("dc1"), consul.cluster_policies(site.datacenters.usable["dc1"]))
    run = site.folder / "dc1-cp/run"
    admission.request("dc1", run)
    public = admission.requested(run)
    assert public
    applicant = admission.Applicant("dc1", "dc1-cp", ("node-exporter",), public, "dc1-prod")
    box = admission.mint(site.management("dc1"), site.access("dc1-s"), applicant)
    kept = admission.accept(box, "dc1-cp", run, site.folder / "dc1-cp/kept")
    assert kept.cluster == "dc1-prod"
    assert kept.cluster_token not in (None, kept.token)
    return site.agent("dc1-s", kept.cluster_token)


def instance(service: str = "shop", address: str = "10.11.0.21", ready: bool = True) -> Instance:
    meta = {**OURS, "cluster": "dc1-prod", "namespace": "default", "kubernetes-service": "web"}
    return Instance(service, address, 30080, meta, ready)


def settle(writer: Agent, *wanted: Instance) -> catalogue.Differences:
    """Make the catalogue have these instances of the cluster; return what was to be done."""
    reader = Agent(address=f"{ADDRESSES['dc1-s']}:8500")
    todo = catalogue.differences(catalogue.found(reader, CLUSTER), wanted)
    catalogue.settle(writer, CLUSTER, todo, lambda: None)
    assert not catalogue.differences(catalogue.found(reader, CLUSTER), wanted)
    return todo


def shop(server: str) -> list[str]:
    return resolve("shop.service.dc1.consul", ADDRESSES[server])


def test_services_of_a_cluster_are_in_the_catalogue_as_they_are(site: Site, writer: Agent) -> None:
    both = instance(), instance(address="10.11.0.22", ready=False)
    assert settle(writer, *both)
    assert not settle(writer, *both)
    for server in ("dc1-s", "dc2-s"):
        wait_until(
            "shop", lambda at=server: resolve("shop.service.dc1.consul", ADDRESSES[at]) == ["10.11.0.21"]
        )
    settle(writer, instance(ready=False), instance(address="10.11.0.22"))
    assert resolve("shop.service.dc1.consul", ADDRESSES["dc1-s"]) == ["10.11.0.22"]
    settle(writer)
    assert resolve("shop.service.dc1.consul", ADDRESSES["dc1-s"]) == []
    assert "shop" not in site.agent("dc1-s").get("catalog/services")
    assert site.agent("dc1-s").get("health/node/k8s_dc1-prod") == []


def test_a_cluster_writes_nothing_but_its_own_node_and_names(site: Site, writer: Agent) -> None:
    settle(writer, instance("pay-card"))
    with pytest.raises(HostError):  # what is refused is not in the way of what is not
        settle(writer, instance("test"), instance("pay-cash"))
    assert site.agent("dc1-s").get("health/service/pay-cash", passing="1")
    for name in ("test", "redis", "payment", "node-exporter"):
        with pytest.raises(HostError, match=f"^{name}/default/web/10.11.0.21:30080: .* 403 "):
            settle(writer, instance("pay-card"), instance(name))
    for node in ("k8s_dc1-test", "dc1-w", "intruder"):
        with pytest.raises(AgentError) as refused:
            writer.put("catalog/register", {"Node": node, "Address": "127.9.9.9"})
        assert refused.value.status == 403
        with pytest.raises(AgentError) as refused:
            writer.put("catalog/deregister", {"Node": node})
        assert refused.value.status == 403
    for path in ("kv/secret", "acl/tokens"):
        with pytest.raises(AgentError) as refused:
            writer.get(path)
        assert refused.value.status == 403


def test_a_name_that_is_taken_from_a_cluster_can_still_be_removed(site: Site, writer: Agent) -> None:
    settle(writer, instance("pay-card"))
    agent, wanted = site.management("dc1"), consul.cluster_policies(site.datacenters.usable["dc1"])
    name = "k8s-lifecycle-cluster-dc1-prod"
    fewer = "".join(line + "\n" for line in wanted[name].splitlines() if "pay-" not in line)
    acl.set_cluster_policies(agent, {**wanted, name: fewer})
    wait_until("the right to be gone", lambda: refused(writer, instance("pay-cash")))
    assert settle(writer).remove
    acl.set_cluster_policies(agent, wanted)


def refused(writer: Agent, wanted: Instance) -> bool:
    try:
        catalogue.settle(writer, CLUSTER, catalogue.Differences(False, [wanted], []), lambda: None)
    except HostError as error:
        return " 403 " in str(error)
    return False


def test_the_agents_own_token_writes_nothing_for_the_cluster(site: Site, writer: Agent) -> None:
    kept = store.read(site.folder / "dc1-cp/kept")
    assert kept
    with pytest.raises(HostError, match=" 403 "):
        settle(site.agent("dc1-s", kept.token), instance())


def test_a_cluster_that_may_no_longer_leaves_nothing(site: Site, writer: Agent) -> None:
    settle(writer, instance())
    agent, wanted = site.management("dc1"), consul.cluster_policies(site.datacenters.usable["dc1"])
    left = {name: rules for name, rules in wanted.items() if not name.endswith("dc1-prod")}
    acl.set_cluster_policies(agent, left)
    assert acl.cluster_policies(agent) == left
    assert "k8s_dc1-prod" not in {one["Node"] for one in site.agent("dc1-s").get("catalog/nodes")}
    with pytest.raises(HostError, match=" 403 "):
        settle(writer, instance())
    acl.set_cluster_policies(agent, wanted)
    # It has another policy now: the state asks again, and is given another token in place of this one.
    assert not writer.get("acl/token/self").get("Policies")

    def given(cluster: str | None) -> str | None:
        run = site.folder / "dc1-cp/run"
        admission.request("dc1", run)
        applicant = admission.Applicant("dc1", "dc1-cp", (), admission.requested(run) or "", cluster)
        box = admission.mint(agent, site.access("dc1-s"), applicant)
        return admission.accept(box, "dc1-cp", run, site.folder / "dc1-cp/kept").cluster_token

    again = site.agent("dc1-s", given("dc1-prod"))
    wait_until("the token to be good", lambda: settle(again, instance()))
    with pytest.raises(HostError, match="ACL not found"):
        settle(writer)
    assert given(None) is None
    with pytest.raises(HostError, match="ACL not found"):
        settle(again)
    acl.forget(agent, "dc1", "dc1-cp")


def test_a_token_for_a_cluster_waits_until_the_cluster_may_write(site: Site) -> None:
    applicant = admission.Applicant("dc1", "dc1-cp", (), "", "dc1-else")
    with pytest.raises(HostError, match="dc1-else may write nothing into the catalogue yet"):
        admission.mint(site.management("dc1"), site.access("dc1-s"), applicant)
    acl.forget(site.management("dc1"), "dc1", "dc1-cp")


def test_an_instance_that_dies_is_not_answered_any_more_after_its_checks_interval(site: Site) -> None:
    """Interval and timeout of the check, the agent's word to the Consul server, and the poll of this test."""
    with socket.create_server(("127.0.1.2", 7777)):
        wait_until("brief", lambda: resolve("brief.service.dc1.consul", ADDRESSES["dc2-s"]) == ["127.0.1.2"])
    began = time.monotonic()
    wait_until("its end", lambda: resolve("brief.service.dc1.consul", ADDRESSES["dc2-s"]) == [])
    assert time.monotonic() - began < 2 + 1 + 1


def test_a_server_that_comes_back_with_an_empty_disk_is_the_same_node(site: Site) -> None:
    kept = store.read(site.folder / "dc1-w/kept")
    assert kept
    site.stop("dc1-w")
    shutil.rmtree(site.folder / "dc1-w/data")
    site.start("dc1-w", kept)
    wait_until("its registration", lambda: "Synced node info" in site.said("dc1-w"))
    assert services(site, "dc1-w") == ALL


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


def test_a_server_that_was_off_while_the_key_was_changed_begins_anew(site: Site) -> None:
    """What the state `admitted` does with it: it is given the key of now, and forgets its keyring."""
    kept, ring = store.read(site.folder / "dc1-w/kept"), site.folder / "dc1-w/data/serf/local.keyring"
    assert kept
    current = gossip.used(ring)
    assert current != kept.gossip_key

    def said() -> str:
        try:
            site.agent("dc1-w", kept.token).get("acl/token/self")
        except AgentError as error:
            return str(error)
        return ""

    site.stop("dc1-w")
    ring.write_text(json.dumps([kept.gossip_key]))
    site.start("dc1-w", kept)
    wait_until("it to find no Consul server", lambda: NO_SERVERS in said())
    fresh = store.Credentials(kept.token, str(current), kept.authority, kept.services)
    site.stop("dc1-w")
    site.start("dc1-w", fresh)
    wait_until("it to go by its keyring still", lambda: NO_SERVERS in said())
    site.stop("dc1-w")
    ring.unlink()
    site.start("dc1-w", fresh)
    wait_until("it to be let in", lambda: said() == "")


def test_a_server_that_is_gone_is_forgotten(site: Site) -> None:
    kept = store.read(site.folder / "dc1-w/kept")
    assert kept
    agent = site.management("dc1")
    only_there = {"redis", "brief"}
    assert only_there <= set(agent.get("catalog/services"))
    site.stop("dc1-w")
    # Consul may take the node out of the catalogue with the member.
    assert {"token", "member"} <= set(acl.forget(agent, "dc1", "dc1-w"))
    wait_until("no trace of it", lambda: acl.forget(agent, "dc1", "dc1-w") == [])
    assert "dc1-w" not in {one["Node"] for one in site.agent("dc1-s").get("catalog/nodes")}
    assert not only_there & set(agent.get("catalog/services"))
    for path in ("health/node/dc1-w", "session/node/dc1-w"):
        assert agent.get(path) == [], path
    assert agent.get("connect/intentions") == []
    with pytest.raises(AgentError):
        site.agent("dc1-s", kept.token).get("acl/token/self")
