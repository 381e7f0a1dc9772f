"""A control plane is made whole: what runs when, and what is refused because it would lose a cluster."""

from types import SimpleNamespace

import pytest

from k8s_lifecycle.cluster.api import UnreachableError
from k8s_lifecycle.cluster.etcd import EtcdError, Member, Membership
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.server import init_phases, initialise, remains
from k8s_lifecycle.server.remains import State

WHOLE = dict.fromkeys(init_phases.FILES, State.WHOLE)
ABSENT = dict.fromkeys(init_phases.FILES, State.ABSENT)


class Spec:
    networks = SimpleNamespace(services="10.96.0.0/12", pods="10.244.0.0/16")

    @staticmethod
    def node_name(server):
        return server


class Server:
    """A server on which kubeadm makes what its phases make."""

    def __init__(self, monkeypatch, tmp_path):
        self.states, self.objects = dict(ABSENT), set()
        self.marked = self.runs_ = self.final = False
        self.calls, self.flushed, self.stopped = [], [], 0
        self.data = tmp_path / "member"
        self.bootstrap = tmp_path / "bootstrap-kubelet.conf"
        for name, value in {
            "ETCD_DATA": self.data,
            "BOOTSTRAP_KUBECONFIG": self.bootstrap,
            "_runs": lambda: self.runs_,
        }.items():
            monkeypatch.setattr(initialise, name, value)
        monkeypatch.setattr(remains, "examine", lambda: self.states)
        monkeypatch.setattr(remains, "remove_torn", self.remove_torn)
        monkeypatch.setattr(remains, "remove_derived", self.remove_derived)
        monkeypatch.setattr(initialise.static_pods, "stop", self.stop)
        monkeypatch.setattr(initialise.kubernetes_files, "is_final", lambda _: self.final)
        monkeypatch.setattr(initialise.durable, "flush", self.flushed.append)
        monkeypatch.setattr(initialise.kubeadm_unit, "refuse_if_running", lambda: None)
        monkeypatch.setattr(initialise.kubeadm_unit, "run", self.kubeadm)
        monkeypatch.setattr(
            initialise.kubeadm_config, "init_documents", lambda *_, **__: [{"skipPhases": []}]
        )
        monkeypatch.setattr(initialise.init_objects, "phases_there", lambda _: self.objects)
        monkeypatch.setattr(initialise.init_objects, "is_marked", lambda *_: self.marked)
        monkeypatch.setattr(initialise.Api, "local", lambda: SimpleNamespace(get=lambda _: {"items": []}))

    def remove_torn(self):
        self.states = {
            name: State.ABSENT if state is State.TORN else state for name, state in self.states.items()
        }

    def remove_derived(self):
        kept = (*remains.CA_PIECES, *remains.MANIFEST_PIECES)
        self.states.update({name: State.ABSENT for name in self.states if name not in kept})

    def stop(self):
        self.stopped += 1

    def kubeadm(self, words, documents, timeout):
        assert "--skip-token-print" in words
        skipped = set(words[-1].removeprefix("--skip-phases=").split(","))
        ran = [phase for phase in init_phases.ALL if phase not in skipped]
        self.calls.append(ran)
        self.states.update({phase: State.WHOLE for phase in ran if phase in self.states})
        self.objects |= {phase for phase in ran if phase in init_phases.OBJECTS}

    def with_data(self):
        (self.data / "wal").mkdir(parents=True)
        (self.data / "wal/0000000000000000-0000000000000000.wal").touch()


@pytest.fixture
def server(monkeypatch, tmp_path):
    return Server(monkeypatch, tmp_path)


def init(*, anew=False):
    return initialise.initialise(Spec, "cp-1", "10.0.0.1", 60, anew=anew)


def test_a_bare_server_gets_its_files_then_all_the_rest(server):
    done = init()
    assert server.calls[0] == ["preflight", *init_phases.FILES]
    assert set(server.calls[1]) == {*init_phases.START, *init_phases.OBJECTS, init_phases.FINALIZE}
    assert len(server.calls) == 2
    assert len(done) == len(set(done)) == sum(map(len, server.calls))


def test_the_files_are_on_disk_before_anything_starts(server, monkeypatch):
    order = []
    monkeypatch.setattr(initialise.durable, "flush", lambda _: order.append("flush"))
    run = server.kubeadm
    monkeypatch.setattr(initialise.kubeadm_unit, "run", lambda *args: (order.append("kubeadm"), run(*args)))
    init()
    assert order[:3] == ["kubeadm", "flush", "kubeadm"]


def test_a_whole_one_is_left_alone(server):
    server.with_data()
    server.states, server.objects, server.marked = dict(WHOLE), set(init_phases.OBJECTS), True
    server.runs_ = server.final = True
    assert init() == []
    assert server.calls == []
    assert server.flushed == []


def test_torn_files_are_made_anew(server):
    server.with_data()
    server.states, server.final = {**WHOLE, "certs/apiserver": State.TORN}, True
    init()
    assert server.calls[0] == ["certs/apiserver"]


def test_anew_all_but_the_authorities_and_the_data_follow_the_spec(server):
    server.with_data()
    server.states, server.objects, server.runs_ = dict(WHOLE), {"upload-config/kubeadm"}, True
    init(anew=True)
    assert set(server.calls[0]) == set(init_phases.FILES) - set(remains.CA_PIECES)
    assert set(server.calls[1]) == {*init_phases.START, *init_phases.OBJECTS, init_phases.FINALIZE}
    assert server.stopped == 1


def test_nothing_is_made_anew_under_a_node_that_joined_meanwhile(server, monkeypatch):
    server.with_data()
    server.states = dict(WHOLE)
    nodes = {"items": [{"metadata": {"name": name}} for name in ("cp-1", "w-1")]}
    monkeypatch.setattr(initialise.Api, "local", lambda: SimpleNamespace(get=lambda _: nodes))
    with pytest.raises(HostError, match="w-1 joined this cluster meanwhile"):
        init(anew=True)
    assert (server.calls, server.stopped) == ([], 0)


def test_what_etcd_keeps_cannot_be_made_anew(server, monkeypatch):
    server.with_data()
    server.states = dict(WHOLE)
    monkeypatch.setattr(initialise.static_pods, "differences", lambda wanted: list(wanted)[:1])
    with pytest.raises(HostError, match="another kube-apiserver --service-cluster-ip-range"):
        init(anew=True)
    assert (server.calls, server.stopped) == ([], 0)


def test_what_the_api_has_not_is_added_after_the_start(server):
    server.with_data()
    server.states, server.marked, server.final = dict(WHOLE), True, True
    server.objects = {"upload-config/kubeadm", "upload-config/kubelet", "bootstrap-token"}
    init()
    assert server.calls[0] == list(init_phases.START)
    assert set(server.calls[1]) == {"addon/coredns", "addon/kube-proxy"}


def test_a_silent_api_is_not_an_empty_one(server, monkeypatch):
    server.with_data()
    server.states, server.final = dict(WHOLE), True

    def silent(_):
        raise UnreachableError("https://10.0.0.1:6443 does not answer")

    monkeypatch.setattr(initialise.init_objects, "phases_there", silent)
    with pytest.raises(UnreachableError):
        init()
    assert server.calls == [list(init_phases.START)]


@pytest.mark.parametrize("state", [State.ABSENT, State.TORN])
def test_etcd_data_without_its_ca_is_not_touched(server, state):
    server.with_data()
    server.states = {**WHOLE, "certs/ca": state}
    with pytest.raises(HostError, match="etcd data, but not the whole CA"):
        init()
    assert server.calls == []
    assert server.states["certs/ca"] is state


class FakeEtcd:
    def __init__(self, learner=False, silent=False):
        self.learner, self.silent = learner, silent

    def own_id(self):
        if self.silent:
            raise EtcdError("silent")
        return "a"

    def membership(self):
        return Membership((Member("cp-2", "a", self.learner, [], []),), quorum=True)


def finish(monkeypatch, etcd):
    monkeypatch.setattr(initialise, "Etcd", lambda _: etcd)
    return initialise.finish_join(Spec, "cp-2", "10.0.0.2", 60)


@pytest.mark.parametrize("etcd", [FakeEtcd(), FakeEtcd(silent=True)])
def test_a_join_is_finished(server, monkeypatch, etcd):
    server.with_data()
    server.bootstrap.write_text("token")
    server.states = {**WHOLE, "kubeconfig/kubelet": State.ABSENT, "kubeconfig/super-admin": State.ABSENT}
    finish(monkeypatch, etcd)
    assert server.calls == [
        ["kubeconfig/kubelet"],
        list(init_phases.START),
        ["mark-control-plane", init_phases.FINALIZE],
    ]
    assert not server.bootstrap.exists()


def test_a_learner_is_not_finished(server, monkeypatch):
    server.with_data()
    with pytest.raises(HostError, match="etcd learner"):
        finish(monkeypatch, FakeEtcd(learner=True))


def test_a_reinstalled_voter_is_not_finished(server, monkeypatch):
    """Its etcd would begin a cluster of its own."""
    server.data.mkdir()
    with pytest.raises(HostError, match="reinstalled"):
        finish(monkeypatch, FakeEtcd())


def test_a_join_without_its_ca_is_not_finished(server, monkeypatch):
    server.with_data()
    server.states = {**WHOLE, "certs/etcd-ca": State.TORN}
    with pytest.raises(HostError, match="not the whole CA"):
        finish(monkeypatch, FakeEtcd())
