"""What a server answers to an inventory: each part read from a real place that the test lays out."""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from k8s_lifecycle.cluster import foreign, view
from k8s_lifecycle.cluster.api import UnreachableError
from k8s_lifecycle.model.description import described
from k8s_lifecycle.model.inventory import Description, Overview
from k8s_lifecycle.server import consul_agent, disks, highstate, inventory, services

NODE = {
    "metadata": {"name": "gke-1", "labels": {}},
    "spec": {},
    "status": {
        "nodeInfo": {"kubeletVersion": "v1.36.4", "osImage": "COS", "kernelVersion": "6.6"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}],
    },
}
GRAINS = {
    "os": "Debian",
    "osrelease": "12.8",
    "kernelrelease": "6.1.0",
    "num_cpus": 8,
    "mem_total": 16000,
    "virtual": "kvm",
    "productname": "KVM",
    "saltversion": "3008.3",
}


def test_grains_are_described():
    found = described(GRAINS)
    assert (found["os"], found["kernel"], found["salt"]) == ("Debian 12.8", "6.1.0", "3008.3")
    assert found["hardware"]["memory"] == 16000 * 2**20
    assert described({})["os"] is None


def test_disks(tmp_path):
    for name, size, real in (("sda", 1000, True), ("sr0", 0, True), ("loop0", 8, False)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "size").write_text(f"{size}\n")
        if real:
            (tmp_path / name / "device").mkdir()
    assert disks.look(tmp_path) == [{"name": "sda", "size": 512_000}]


def program(directory, name, script):
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A function that puts a program on the PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return lambda name, script: program(tmp_path, name, script)


SHOWN = """
cat <<END
LoadState=loaded
ActiveState=active

LoadState=not-found
ActiveState=inactive

LoadState=loaded
ActiveState=failed
END
"""


def test_states_of_services(programs):
    programs("systemctl", SHOWN)
    assert services.states("kubelet", "node_exporter", "prometheus-node-exporter") == {
        "kubelet": "active",
        "node_exporter": "none",
        "prometheus-node-exporter": "failed",
    }


class Agent(BaseHTTPRequestHandler):
    """A Consul agent, as its HTTP API answers."""

    answers = {}

    def do_GET(self):
        body = json.dumps(self.answers[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def agent():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Agent)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


CRITICAL = {"Status": "critical", "Name": "d"}
WELL = {
    "/v1/status/leader": "10.0.0.1:8300",
    "/v1/agent/checks": {},
    "/v1/catalog/node/web-1": {"Services": {}},
}


class TestConsul:
    @pytest.fixture(autouse=True)
    def installed(self, monkeypatch):
        self.state = "active"
        monkeypatch.setattr(services, "states", lambda name: {name: self.state})
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    @pytest.mark.parametrize(("unit", "state"), [("none", "none"), ("failed", "stopped")])
    def test_without_a_running_agent_nobody_is_asked(self, unit, state):
        self.state = unit
        assert consul_agent.health("web-1", "http://127.0.0.1:1")["state"] == state

    @pytest.mark.parametrize(
        ("checks", "told"),
        [
            ({}, ("passing", "")),
            ({"a": {"Status": "passing", "Name": "disk"}}, ("passing", "")),
            ({"a": {"Status": "warning", "Name": "b"}, "c": CRITICAL}, ("critical", "d")),
        ],
    )
    def test_its_checks(self, agent, checks, told):
        Agent.answers = {**WELL, "/v1/agent/checks": checks}
        found = consul_agent.health("web-1", agent)
        assert (found["state"], found["detail"]) == told

    @pytest.mark.parametrize(
        ("node", "services"),
        [({"Services": {"redis": {}, "node-exporter": {}}}, ["node-exporter", "redis"]), (None, [])],
    )
    def test_what_the_catalogue_has_of_it(self, agent, node, services):
        Agent.answers = {**WELL, "/v1/catalog/node/web-1": node}
        assert consul_agent.health("web-1", agent)["services"] == services

    def test_without_a_leader(self, agent):
        Agent.answers = {"/v1/status/leader": ""}
        assert consul_agent.health("web-1", agent)["state"] == "leaderless"

    def test_an_agent_that_does_not_answer(self, agent):
        assert consul_agent.health("web-1", "http://127.0.0.1:1")["state"] == "silent"
        Agent.answers = {**WELL, "/v1/agent/checks": ["no mapping"]}
        assert consul_agent.health("web-1", agent)["state"] == "silent"


class TestHighstate:
    @pytest.fixture
    def note(self, tmp_path):
        return highstate.file({"root_dir": str(tmp_path)})

    def test_before_the_first(self, note):
        assert highstate.last(note) is None

    def test_one_that_came_to_its_end(self, note):
        highstate.note_begun(note, 100.0)
        highstate.note_ended(note, 160.0, 20, [f"id-{number}" for number in range(9)])
        found = highstate.last(note)
        assert (found["began"], found["ended"], found["states"], found["failures"]) == (100.0, 160.0, 20, 9)
        assert found["failed"] == ["id-0", "id-1", "id-2", "id-3", "id-4"]
        assert found["unfinished"] is None

    def test_one_that_did_not_leaves_the_one_before(self, note):
        highstate.note_begun(note, 100.0)
        highstate.note_ended(note, 160.0, 20, [])
        highstate.note_begun(note, 900.0)
        found = highstate.last(note)
        assert (found["ended"], found["unfinished"]) == (160.0, 900.0)

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"ended":'])
    def test_a_torn_note_is_none(self, note, text):
        note.parent.mkdir(parents=True)
        note.write_text(text)
        assert highstate.last(note) is None
        highstate.note_begun(note, 1.0)
        assert highstate.last(note)["unfinished"] == 1.0


class TestForeign:
    KUBECTL = """
case "$*" in
  *--kubeconfig={config}*--context=blue*"get --raw /version") echo '{version}' ;;
  *--kubeconfig={config}*--context=blue*"get --raw /api/v1/nodes") echo '{nodes}' ;;
  *) echo "error: Unauthorized" >&2; exit 1 ;;
esac
"""

    @pytest.fixture
    def config(self, tmp_path, programs):
        config = tmp_path / "gke.conf"
        config.touch()
        nodes = json.dumps({"items": [NODE]})
        version = json.dumps({"gitVersion": "v1.36.4-gke.1400"})
        programs("kubectl", self.KUBECTL.format(config=config, version=version, nodes=nodes))
        return config

    def test_its_version_and_nodes(self, config):
        found = Overview.read(foreign.look(config, "blue"))
        assert found.version == "1.36.4-gke.1400"
        assert found.nodes["gke-1"].ready
        assert found.nodes["gke-1"].addresses == ("10.1.1.1",)

    def test_why_it_does_not_answer(self, config):
        assert "Unauthorized" in foreign.look(config, "red")["error"]
        assert foreign.look(config.with_name("none"))["error"].startswith("this server has no file")


def test_a_silent_api_server_is_told(monkeypatch, tmp_path):
    def silent(*_, **__):
        raise UnreachableError("https://10.0.0.1:6443 does not answer: timed out")

    monkeypatch.setattr(view.Api, "local", silent)
    assert view.brief(tmp_path) == {
        "reachable": False,
        "error": "https://10.0.0.1:6443 does not answer: timed out",
    }


class TestLook:
    """On whatever machine the test runs: parts that it cannot read are told, and all else is there."""

    @pytest.fixture
    def look(self, tmp_path):
        def looked(addresses=lambda: ["10.0.0.1"]):
            opts = {"root_dir": str(tmp_path), "id": "web-1"}
            others = {"addresses": addresses, "overview": dict, "running": lambda: True}
            return inventory.look(GRAINS, opts, {}, **others)

        return looked

    def test_everything_has_its_place(self, look):
        found = look()
        assert json.loads(json.dumps(found)) == found
        assert found["addresses"] == ["10.0.0.1"]
        assert found["hardware"]["cores"] == 8
        assert Description.read(found).os == "Debian 12.8"

    def test_whether_a_highstate_runs_now(self, look, tmp_path):
        assert look()["highstate"] is None
        highstate.note_begun(highstate.file({"root_dir": str(tmp_path)}), 1.0)
        assert look()["highstate"]["running"] is True

    def test_a_part_that_cannot_be_read_hides_no_other(self, look, programs):
        programs("systemctl", "echo 'Failed to connect to bus' >&2; exit 1")

        def broken():
            raise RuntimeError("ip failed, its token is abcdef.0123456789abcdef")

        found = look(broken)
        assert found["addresses"] is found["services"] is found["consul"] is None
        assert found["os"] == "Debian 12.8"
        assert "addresses: ip failed, its token is (token)" in found["errors"]
        assert len([error for error in found["errors"] if "Failed to connect to bus" in error]) == 2

    def test_it_takes_no_time(self, look, programs):
        programs("systemctl", SHOWN)
        began = time.monotonic()
        look()
        assert time.monotonic() - began < 2
