"""The states of Consul's agent, on files and on an agent that answers as Consul does."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import state_module
import yaml

from k8s_lifecycle.cluster import key_pair
from k8s_lifecycle.discovery import admission, files, gossip, store
from k8s_lifecycle.discovery.agent import Agent
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import consul, datacenters
from k8s_lifecycle.server import services

SPEC = """
servers: ["cp-*", "s-*"]
consul:
  package: {version: 1.8.7-2}
  servers: {s-1: 10.11.0.1}
  kubernetes: {dc1-prod: [shop]}
"""
CLUSTER = {
    "environment": "prod",
    "control_plane": {"endpoint": {"address": "10.11.0.100"}},
    "networks": {"pods": "10.244.0.0/16", "services": "10.96.0.0/16"},
}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
SECRETS = {
    "gossip_key": "A" * 43 + "=",
    "management_token": "0f0e0d0c-0000-4000-8000-000000000000",
    "authority": CERTIFICATE,
    "certificate": CERTIFICATE,
    "key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
}
GIVEN = store.Credentials("a-token", "a-key", CERTIFICATE, ["node-exporter"])


class Answers:
    """What the agent answers, by path: a status and a value."""

    def __init__(self):
        self.by_path = {}
        self.asked = []


@pytest.fixture
def answers(monkeypatch):
    """An agent on loopback that answers what the test says; nothing where it says nothing."""
    said = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.removeprefix("/v1/")
            said.asked.append((path, self.headers.get("X-Consul-Token")))
            status, value = said.by_path.get(path, (404, "not found"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{listening.server_port}"
    monkeypatch.setattr(Agent.__init__, "__defaults__", (None, address, 30.0))
    yield said
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def places(monkeypatch, tmp_path):
    """Every file of the states below a directory of the test."""
    run, kept = tmp_path / "run", tmp_path / "kept"
    monkeypatch.setattr(key_pair.make, "__defaults__", (run,))
    monkeypatch.setattr(admission.request, "__defaults__", (run,))
    for function in (admission.requested, admission.pending, admission.withdraw):
        monkeypatch.setattr(function, "__defaults__", (run,))
    for function in (store.read, store.keep):
        monkeypatch.setattr(function, "__defaults__", (kept,))
    return tmp_path


@pytest.fixture
def state(places, answers):
    """A function that calls one of the states on a server."""
    place = datacenters.Place(datacenters.from_dict({"name": "dc1", **yaml.safe_load(SPEC)}), {})

    def call(
        name, server="cp-1", test=False, secrets=None, event=lambda tag: True, cluster=None, **arguments
    ):
        module = state_module.load("k8s_consul", {"event.send": event})
        module.__opts__ = {"id": server, "test": test}
        module._JOINS_WITHIN = 0.2
        module.__pillar__ = {"k8s_secrets": {"consul": secrets}} if secrets else {}
        module.__pillar__["k8s"] = cluster
        return getattr(module, name)("x", place.to_dict(), **arguments)

    return call


def test_a_server_asks_and_waits_for_its_credentials(state, places):
    def arrives(tag):
        assert tag == "k8s/consul/ask"
        assert admission.requested()
        (places / "run/consul-admission.key").unlink()
        threading.Timer(1, kept).start()  # between the two the box is neither waited for nor kept
        return True

    def kept():
        store.keep(GIVEN)
        (places / "run/consul-admission.public").unlink()

    done = state("admitted", event=arrives, timeout=5)
    assert (done["result"], done["changes"]) == (True, {"credentials": {"old": None, "new": "given"}})
    again = state("admitted", event=None)
    assert (again["result"], again["changes"]) == (True, {})


def test_it_says_what_to_look_at_when_none_come(state):
    done = state("admitted", timeout=0.2)
    assert (done["result"], done["changes"]) == (False, {})
    assert "does a Consul server of dc1 run" in done["comment"]
    assert admission.requested() is None, "or it would be given something that nobody takes up"


def test_a_box_that_did_not_open_is_told(state, places):
    def arrives(tag):
        with pytest.raises(HostError):
            admission.accept("rubbish", "cp-1", places / "run", places / "kept")
        return True

    assert "did not open" in state("admitted", event=arrives, timeout=5)["comment"]


def test_it_says_so_when_it_cannot_ask(state):
    done = state("admitted", event=lambda tag: False, timeout=5)
    assert "could not be sent" in done["comment"]


def test_in_test_mode_nothing_is_asked(state):
    done = state("admitted", test=True, event=None)
    assert (done["result"], set(done["changes"])) == (None, {"credentials"})
    assert admission.requested() is None


@pytest.mark.parametrize(
    ("kept", "answer", "reason"),
    [
        (GIVEN, (403, "ACL not found"), "refused"),
        (store.Credentials("a-token", "a-key", CERTIFICATE, ["redis"]), (200, {}), "for other services"),
    ],
)
def test_it_asks_again_where_the_token_is_no_good(state, answers, kept, answer, reason):
    store.keep(kept)
    answers.by_path["acl/token/self"] = answer
    done = state("admitted", test=True)
    assert done["changes"] == {"credentials": {"old": reason, "new": "given"}}


CONTROL_PLANE = {"cluster": "dc1-prod", "role": "control-plane", "pool": None, "spec": CLUSTER}
FOR_CLUSTER = store.Credentials(
    "a-token", "a-key", CERTIFICATE, ["node-exporter", "kubernetes"], "dc1-prod", "another"
)


@pytest.mark.parametrize(
    ("kept", "policies", "reason"),
    [
        (replace(FOR_CLUSTER, cluster=None), [{}], "for other services"),
        (FOR_CLUSTER, None, "refused"),
        (FOR_CLUSTER, [{}], None),
    ],
)
def test_a_control_plane_asks_for_what_writes_for_its_cluster(state, answers, kept, policies, reason):
    store.keep(kept)
    answers.by_path["acl/token/self"] = (200, {"Policies": policies})
    done = state("admitted", test=True, cluster=CONTROL_PLANE)
    assert done["changes"] == ({"credentials": {"old": reason, "new": "given"}} if reason else {})


def test_a_server_that_is_no_control_plane_any_more_asks_again(state):
    store.keep(replace(FOR_CLUSTER, services=GIVEN.services))
    assert state("admitted", test=True)["changes"]["credentials"]["old"] == "for other services"


@pytest.fixture
def drift(monkeypatch, tmp_path):
    """What the cluster differs in, on a server that has joined it."""
    found = {"elected": "cp-2", "late": [], "left": ["Service a/b is not in Consul: because"]}
    (tmp_path / "admin.conf").touch()
    monkeypatch.setattr("k8s_lifecycle.cluster.api.KUBERNETES_DIRECTORY", tmp_path)
    monkeypatch.setattr("k8s_lifecycle.discovery.cluster.drift", lambda timeout: found)
    return found


def registered(test=False):
    module = state_module.load("k8s_consul", {})
    module.__opts__["test"] = test
    return module.cluster_registered("x")


def test_what_is_left_to_people_is_told_and_no_failure(drift):
    done = registered()
    assert (done["result"], done["changes"], done["warnings"]) == (True, {}, drift["left"])
    assert done["comment"] == "as asked for, elected is cp-2\nService a/b is not in Consul: because"


def test_what_is_late_is_a_failure_and_under_test_a_difference(drift):
    drift["late"] = ["CoreDNS' Corefile"]
    done = registered()
    assert done["result"] is False
    assert done["comment"].startswith("not as asked for, elected is cp-2: CoreDNS' Corefile — see")
    assert registered(test=True)["result"] is None


def test_before_a_server_has_joined_nothing_is_asked(drift, tmp_path):
    (tmp_path / "admin.conf").unlink()
    assert registered()["comment"] == "this server has not joined its cluster yet"


@pytest.mark.parametrize("silent", [False, True])
def test_a_server_that_finds_no_consul_server_asks_again_and_begins_with_the_key_that_it_is_given(
    state, answers, places, monkeypatch, silent
):
    """It was off while the gossip key was changed; or its token ended, too: it is silent then."""
    ring, stopped = places / "local.keyring", []
    ring.write_text('["a-key"]')
    for function in (gossip.used, gossip.start_over):
        monkeypatch.setattr(function, "__defaults__", (ring,))
    monkeypatch.setattr(gossip, "output", lambda *words: stopped.append((words, ring.exists())))
    store.keep(GIVEN)
    answers.by_path["acl/token/self"] = (500, "No known Consul servers")
    if silent:
        monkeypatch.setattr(Agent.__init__, "__defaults__", (None, "127.0.0.1:1", 30.0))
    running = {"consul"}
    monkeypatch.setattr(services, "active", lambda *names: running & {*names})

    def arrives(tag):
        answers.by_path.clear()
        running.clear()
        store.keep(replace(GIVEN, gossip_key="the key of now"))
        for half in ("key", "public"):
            (places / f"run/consul-admission.{half}").unlink()
        return True

    done = state("admitted", event=arrives, timeout=5)
    wrong = "no Consul server lets its agent in"
    assert (done["result"], done["changes"]) == (True, {"credentials": {"old": wrong, "new": "given"}})
    assert stopped == [(("systemctl", "stop", "consul"), False)]
    assert store.read().gossip_key == "the key of now"


def test_an_agent_that_does_not_run_is_no_reason_to_ask(state, monkeypatch):
    store.keep(GIVEN)
    monkeypatch.setattr(Agent.__init__, "__defaults__", (None, "127.0.0.1:1", 30.0))
    monkeypatch.setattr(services, "active", lambda *_: frozenset())
    assert state("admitted")["changes"] == {}


@pytest.mark.parametrize("answer", [(500, "No cluster leader"), (200, {})])
def test_an_agent_that_says_nothing_about_the_token_is_no_reason_to_ask(state, answers, answer):
    store.keep(GIVEN)
    answers.by_path["acl/token/self"] = answer
    assert state("admitted")["changes"] == {}


def test_a_server_of_consul_has_its_own(state):
    done = state("admitted", server="s-1", secrets=SECRETS, event=None)
    assert done["result"] is True
    first = store.read()
    assert first.gossip_key == SECRETS["gossip_key"]
    assert state("admitted", server="s-1", secrets=SECRETS, event=None)["changes"] == {}
    renewed = {**SECRETS, "authority": CERTIFICATE.replace("AAAA", "BBBB")}
    assert state("admitted", server="s-1", secrets=renewed, event=None)["result"] is True
    assert (store.read().token, store.read().authority) == (first.token, renewed["authority"])


def test_a_server_of_consul_without_its_secrets_is_told_which(state):
    done = state("admitted", server="s-1")
    assert done["result"] is False
    assert "pillar k8s_secrets.consul.gossip_key: missing" in done["comment"]


def test_files_are_written_when_they_differ_and_their_text_is_not_told(state, monkeypatch, places):
    written = {}
    monkeypatch.setattr(
        files, "differing", lambda texts: [path for path in texts if written.get(path) != texts[path]]
    )
    monkeypatch.setattr(files, "write", lambda texts, changed: written.update(texts))
    monkeypatch.setattr("k8s_lifecycle.server.addresses.own", lambda *_: ["10.11.0.21"])
    store.keep(GIVEN)
    would = state("configured", test=True)
    assert (would["result"], written) == (None, {})
    done = state("configured")
    assert set(done["changes"]) == {files.AGENT, files.SECRETS, files.SERVICES, consul.AUTHORITY}
    assert "a-token" not in json.dumps(done)
    assert "a-key" not in json.dumps(done)
    assert json.loads(written[files.SECRETS]) == {"encrypt": "a-key", "acl": {"tokens": {"agent": "a-token"}}}
    (service,) = json.loads(written[files.SERVICES])["services"]
    assert service["token"] == GIVEN.token
    assert state("configured")["changes"] == {}


def test_no_files_without_credentials(state):
    done = state("configured")
    assert (done["result"], done["comment"]) == (False, "the agent has no credentials yet")


def test_a_server_is_registered_when_all_of_it_is_and_nothing_else(state, answers):
    path = "catalog/node/cp-1"
    answers.by_path[path] = (200, {"Services": {"node-exporter": {}}})
    assert state("registered")["comment"] == "in the catalogue: node-exporter"
    assert answers.asked == [(path, None)]
    answers.by_path[path] = (200, {"Services": {"node-exporter": {}, "old": {}}})
    assert "old is there and should not" in state("registered", timeout=0)["comment"]
    answers.by_path[path] = (200, None)
    assert "the node cp-1" in state("registered", timeout=0)["comment"]
    answers.by_path[path] = (500, "No cluster leader")
    assert "No cluster leader" in state("registered", timeout=0)["comment"]
