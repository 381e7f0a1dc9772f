"""A server that asks to join: when it asks, when it stops, and what its highstate says."""

import importlib.util
import itertools
from pathlib import Path

import pytest

from k8s_lifecycle.server import asking

ROOT = Path(__file__).parents[3]


def load(kind, dunders):
    spec = importlib.util.spec_from_file_location(f"k8s_node{kind}", ROOT / kind / "k8s_node.py")
    module = importlib.util.module_from_spec(spec)
    vars(module).update(dunders)
    spec.loader.exec_module(module)
    return module


class Server:
    """One server: its files, its schedule, and a master that answers as the test says."""

    def __init__(self, monkeypatch, directory):
        self.directory, self.sent, self.schedule, self.now = directory, 0, {"k8s_join": {}}, 1000.0
        self.says, self.kubeadm = None, None
        monkeypatch.setattr(asking.time, "time", lambda: self.now)
        self.opts = {"test": False}
        self.pillar, salt = {}, {}
        self.module = load(
            "_modules",
            {
                "__salt__": salt,
                "__grains__": {"k8s_role": "worker"},
                "__opts__": {"root_dir": directory},
                "__pillar__": self.pillar,
            },
        )
        monkeypatch.setattr(
            self.module.kubernetes_files, "look", lambda: {"kubelet_conf": (directory / "node").exists()}
        )
        monkeypatch.setattr(self.module.processes, "kubeadm", lambda: self.kubeadm)
        salt |= {
            "event.send": self.send,
            "schedule.list": lambda return_yaml: self.schedule,
            "schedule.delete": self.schedule.pop,
            "k8s_node.ask": self.module.ask,
            "k8s_node.standing": self.module.standing,
        }
        self.state = load("_states", {"__salt__": salt, "__opts__": self.opts})
        monkeypatch.setattr(self.state, "_POLL", 0.01)

    def send(self, tag):
        assert tag == "k8s/join/ask"
        self.sent += 1
        if self.says:
            self.module.tell(*self.says)
        return True

    def becomes_node(self):
        (self.directory / "node").touch()

    def highstate(self):
        ret = self.state.joined("joined", timeout=0.05)
        return ret["result"], ret["comment"], ret["changes"]


@pytest.fixture
def server(monkeypatch, tmp_path):
    return Server(monkeypatch, tmp_path)


def test_it_asks_after_pauses_that_double(server):
    asked = []
    for _ in range(7200):
        server.now += 1
        if server.module.ask():
            asked.append(server.now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps[:6] == [60, 120, 240, 480, 900, 900]


def test_a_clock_set_back_does_not_silence_it(server):
    assert server.module.ask()
    server.now -= 5000
    assert server.module.ask()


def test_it_says_that_it_asks_only_while_it_does(server):
    assert server.module.waiting(["k8s_role", "k8s_pool"]) is None
    server.module.ask()
    assert server.module.waiting(["k8s_role", "k8s_pool"]) == {"grains": {"k8s_role": "worker"}}
    server.module.tell("joined", "")
    assert server.module.waiting() is None


def test_a_node_whose_join_was_cut_off_asks_on_until_it_is_told(server):
    server.module.ask()
    server.becomes_node()
    server.now += 60
    assert server.module.ask()
    assert "k8s_join" in server.schedule
    server.module.tell("joined", "")
    assert "k8s_join" not in server.schedule
    assert not server.module.ask(now=True)


def test_the_schedule_of_a_node_that_never_asked_ends(server):
    server.becomes_node()
    assert not server.module.ask()
    assert not server.schedule


def test_an_unknown_outcome_is_refused(server):
    with pytest.raises(Exception, match="outcome 'maybe' is none of"):
        server.module.tell("maybe", "")


def test_highstate_of_an_accepted_server(server):
    server.says = ("accepted", "pool general of dc1-prod allows it")
    result, comment, changes = server.highstate()
    assert result is True
    assert comment == "The join follows: pool general of dc1-prod allows it"
    assert changes


def test_highstate_names_the_last_failed_attempt(server):
    server.says = ("accepted", "allowed")
    server.highstate()
    server.now += 1
    server.module.tell("failed", "kubeadm join: it timed out")
    server.now += 60
    _, comment, _ = server.highstate()
    assert comment == "The join follows: allowed; the last attempt failed: kubeadm join: it timed out"


def test_highstate_of_a_refused_server(server):
    server.says = ("refused", "no pool allows it")
    assert server.highstate()[:2] == (False, "The master refuses: no pool allows it")


def test_highstate_does_not_take_an_old_answer_for_the_new_one(server):
    server.module.ask()
    server.module.tell("accepted", "an old answer")
    server.now += 60
    result, comment, _ = server.highstate()
    assert result is False
    assert comment.startswith("No answer within")


def test_highstate_in_test_mode_asks_nothing(server):
    server.opts["test"] = True
    result, _, changes = server.highstate()
    assert (result, server.sent) == (None, 0)
    assert changes


def test_highstate_of_a_node(server):
    server.becomes_node()
    assert server.highstate() == (True, "This server is a node", {})


def test_highstate_while_kubeadm_runs(server):
    server.kubeadm = {"verb": "join", "pid": 7}
    assert server.highstate() == (True, "kubeadm join is running here (pid 7)", {})
    assert server.sent == 0
