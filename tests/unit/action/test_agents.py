"""Who is given credentials for Consul, and who is forgotten: by servers that answer, refuse or are silent."""

import pytest
from answering import Answering

from k8s_lifecycle.action import agents
from k8s_lifecycle.action.fleet import Answer, Outcome
from k8s_lifecycle.action.scheduler import Scheduler
from k8s_lifecycle.model import datacenters
from k8s_lifecycle.model import spec as specs

SPEC = """
servers: ["{name}-*"]
consul:
  package: {{version: 1.8.7-2}}
  servers: {{{name}-s-1: 10.1{number}.0.1, {name}-s-2: 10.1{number}.0.2, {name}-s-3: 10.1{number}.0.3}}
  services: {{redis: {{servers: ["{name}-r-*"], port: 1, check: {{tcp: "127.0.0.1:1"}}}}}}
  kubernetes: {{{name}-prod: [shop]}}
"""
CLUSTER = """
datacenter: dc1
environment: prod
kubernetes: {version: 1.37.2}
control_plane: {servers: [dc1-cp-1], endpoint: {address: 10.11.0.100, virtual_router_id: 51}}
pools: {general: {servers: ["dc1-w-*"]}}
network_addon: {kind: none}
packages: {containerd: {version: 2.3.7-1}}
"""
ASKING = ("dc1-w-1", "dc1-r-1", "dc1-cp-1", "web-1")
KNOWN = {*ASKING, *(f"dc{number}-s-{one}" for number in (1, 2) for one in (1, 2, 3))}


class Servers(Answering):
    """Servers that wait for credentials, and Consul servers that make them."""

    refusal = "no leader"

    def __init__(self):
        super().__init__()
        self.waiting = dict.fromkeys(ASKING, "public")

    def value(self, call):
        values = {
            "k8s_consul.waiting": self.waiting.get(call.server),
            "k8s_consul.mint": "a box",
            "k8s_consul.accept": True,
            "k8s_consul.forget": ["token"],
        }
        return values[call.function]

    def calls(self, function):
        return super().calls(f"k8s_consul.{function}")


@pytest.fixture
def servers():
    return Servers()


@pytest.fixture
def serve(servers, tmp_path):
    """A function that serves servers, and returns why some have to be served again."""
    for number in (1, 2):
        name = f"dc{number}"
        (tmp_path / f"{name}.yaml").write_text(SPEC.format(name=name, number=number))
    found = datacenters.load(tmp_path)
    assert found.problems == []

    clusters = tmp_path / "clusters"
    clusters.mkdir()
    (clusters / "dc1-prod.yaml").write_text(CLUSTER)

    def call(*asked, known=frozenset(KNOWN)):
        ended = {}
        Scheduler(servers).run(agents.serve(found, specs.load(clusters), known, asked, ended.__setitem__))
        assert set(ended) == set(asked)
        return {server: wrong for server, wrong in ended.items() if wrong}

    return call


def test_a_server_that_waits_is_given_what_its_id_entitles_it_to(servers, serve):
    assert serve("dc1-w-1", "dc1-r-1") == {}
    minted = {arguments["server"]: arguments for _, arguments in servers.calls("mint")}
    assert minted["dc1-w-1"]["services"] == ["node-exporter", "kubernetes"]
    assert minted["dc1-r-1"]["services"] == ["node-exporter", "redis"]
    assert {server.partition("-s-")[0] for server, _ in servers.calls("mint")} == {"dc1"}
    assert servers.calls("accept") == [("dc1-w-1", {"box": "a box"}), ("dc1-r-1", {"box": "a box"})]


def test_only_a_control_plane_of_the_cluster_is_let_write_for_it(servers, serve):
    assert serve("dc1-w-1", "dc1-cp-1", "dc1-r-1") == {}
    minted = {arguments["server"]: arguments["cluster"] for _, arguments in servers.calls("mint")}
    assert minted == {"dc1-w-1": None, "dc1-cp-1": "dc1-prod", "dc1-r-1": None}


def test_what_no_datacenter_names_is_not_forgotten_for_a_forged_event(servers, serve):
    """Such as the node that stands for a cluster, or one that is registered by hand."""
    assert serve("k8s_dc1-prod", "by-hand") == {}
    assert servers.calls("forget") == []


def test_a_server_that_does_not_wait_is_given_nothing(servers, serve):
    servers.waiting = {}
    assert serve("dc1-w-1") == {}
    assert servers.calls("mint") == []


def test_a_silent_server_is_left_alone_until_it_asks_again(servers, serve):
    servers.silent = {"dc1-w-1"}
    assert serve("dc1-w-1") == {}
    assert servers.calls("mint") == []


def test_a_server_of_no_datacenter_is_refused(servers, serve, caplog):
    assert serve("web-1") == {}
    assert servers.calls("mint") == []
    assert "web-1 asks for Consul, and is refused" in caplog.text


def test_any_server_of_consul_will_do(servers, serve):
    servers.silent, servers.refusing = {"dc1-s-1"}, {"dc1-s-2"}
    assert serve("dc1-w-1") == {}
    assert servers.calls("accept") == [("dc1-w-1", {"box": "a box"})]


def test_it_is_tried_again_while_there_is_none(servers, serve):
    servers.refusing = {"dc1-s-1", "dc1-s-2", "dc1-s-3"}
    assert serve("dc1-w-1") == {"dc1-w-1": "no Consul server makes its token: no leader"}
    assert servers.calls("accept") == []


def test_a_server_without_a_key_is_forgotten_in_every_datacenter(servers, serve):
    assert serve("dc1-w-1", known=frozenset(KNOWN - {"dc1-w-1"})) == {}
    assert servers.calls("waiting") == []
    forgotten = {arguments["datacenter"]: arguments["server"] for _, arguments in servers.calls("forget")}
    assert forgotten == {"dc1": "dc1-w-1", "dc2": "dc1-w-1"}


def test_what_cannot_be_forgotten_yet_is_tried_again(servers, serve):
    servers.silent = {"dc2-s-1", "dc2-s-2", "dc2-s-3"}
    assert serve("dc1-w-9", known=frozenset(KNOWN)) == {
        "dc1-w-9": "dc2: its minion has not answered for 30 s"
    }


class Quorum:
    """Three Consul servers that are restarted; `after` is called after each."""

    def __init__(self, leader="dc1-s-1", due=("dc1-s-1", "dc1-s-2", "dc1-s-3")):
        self.leader, self.due, self.healthy = leader, list(due), True
        self.restarted, self.after = [], lambda: None
        self.looks = 0

    def answer(self, call):
        if call.function == "k8s_consul.quorum":
            self.looks += 1
            voters = [f"dc1-s-{number}" for number in (1, 2, 3)]
            due = ["/usr/bin/consul"] if call.server in self.due else []
            value = {"leader": self.leader, "voters": voters, "healthy": self.healthy, "due": due}
            return Answer(call.server, Outcome.OK, value)
        self.restarted.append(call.server)
        self.due = [server for server in self.due if server != call.server]
        self.leader = "dc1-s-2" if call.server == self.leader else self.leader
        self.after()
        return Answer(call.server, Outcome.OK, True)


@pytest.fixture
def restart(servers, serve, tmp_path, monkeypatch):
    """A function that restarts the Consul servers of dc1."""

    def call(quorum, everyone=False, task=agents.restart):
        monkeypatch.setattr(servers, "answer", quorum.answer)
        return Scheduler(servers).run(task(datacenters.load(tmp_path).usable["dc1"], everyone))

    return call


def test_consul_servers_are_restarted_one_after_another_the_leader_last(restart):
    quorum = Quorum()
    assert restart(quorum, task=agents.restart_plan) == (["dc1-s-2", "dc1-s-3", "dc1-s-1"], [])
    assert quorum.restarted == []
    assert restart(quorum) == (["dc1-s-2", "dc1-s-3", "dc1-s-1"], [])
    assert restart(quorum) == ([], [])
    assert restart(quorum, everyone=True) == (["dc1-s-1", "dc1-s-3", "dc1-s-2"], [])


def test_only_those_that_need_it_are_restarted(restart):
    assert restart(Quorum(due=["dc1-s-3"])) == (["dc1-s-3"], [])


@pytest.mark.parametrize(("due", "looks"), [([], 1), (["dc1-s-3"], 1), (["dc1-s-2", "dc1-s-3"], 2)])
def test_all_are_looked_at_once_before_each(restart, due, looks):
    quorum = Quorum(due=due)
    restart(quorum)
    assert quorum.looks == looks * 3


def test_no_more_are_restarted_when_one_does_not_come_back(restart):
    quorum = Quorum()

    def breaks():
        quorum.healthy = False

    quorum.after = breaks
    done, refusals = restart(quorum)
    assert done == quorum.restarted == ["dc1-s-2"]
    assert refusals[0] == "to dc1-s-1, not all Consul servers are well"


class Ring:
    """The key of each Consul server's datacenter, as `k8s_consul.gossip` tells it."""

    STEPS = ("install", "use", "remove", "")
    LOOKS = {
        "install": {"have": 0, "use": 0, "others": True, "wan": "none"},
        "use": {"have": 3, "use": 0, "others": True, "wan": "has"},
        "remove": {"have": 3, "use": 3, "others": True, "wan": "uses"},
        "": {"have": 3, "use": 3, "others": False, "wan": "uses"},
    }

    def __init__(self, stuck=""):
        self.at = {"dc1": 0, "dc2": 0}
        self.stuck = stuck

    def answer(self, call):
        datacenter = call.arguments["datacenter"]
        step = self.STEPS[self.at[datacenter]]
        if call.function == "k8s_consul.gossip":
            value = {"key": "a", "members": 3, "gone": [], **self.LOOKS[step]}
            return Answer(call.server, Outcome.OK, value)
        assert call.arguments["step"] == step
        self.at[datacenter] += step != self.stuck
        return Answer(call.server, Outcome.OK, True)


@pytest.fixture
def rotate(servers, serve, tmp_path, monkeypatch):
    """A function that changes the gossip key on a ring."""

    def call(ring):
        monkeypatch.setattr(servers, "answer", ring.answer)
        return Scheduler(servers).run(agents.rotate_gossip_key(datacenters.load(tmp_path)))

    return call


def test_the_gossip_key_is_changed_in_all_datacenters_a_step_at_a_time(rotate):
    ring = Ring()
    assert rotate(ring) == (["install", "use", "remove"], [])
    assert rotate(ring) == ([], [])


def test_a_step_that_does_not_reach_every_member_ends_it(rotate):
    ring = Ring(stuck="use")
    steps, (said,) = rotate(ring)
    assert steps == ["install", "use"]
    assert "`use` did not reach every member" in said
    ring.stuck = ""
    assert rotate(ring) == (["use", "remove"], [])


def test_a_silent_server_of_consul_keeps_the_old_key(servers, serve, tmp_path):
    servers.silent = {"dc2-s-3"}
    found = datacenters.load(tmp_path)
    servers.answer = lambda call, answer=servers.answer: (
        answer(call) if call.server in servers.silent else Ring().answer(call)
    )
    steps, (said,) = Scheduler(servers).run(agents.rotate_gossip_key(found))
    assert (steps, said) == ([], "dc2-s-3 could not be asked: its minion has not answered for 30 s")
