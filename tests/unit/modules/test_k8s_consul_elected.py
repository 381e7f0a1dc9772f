"""What the elected control plane server does: with an API server in memory, and Consul's catalogue as one."""

import threading
import time

import pytest
from fake_api import FakeApi

from k8s_lifecycle.cluster import lease, servers
from k8s_lifecycle.cluster.api import ConflictError
from k8s_lifecycle.cluster.watching import Watched
from k8s_lifecycle.discovery import catalogue, cluster, elected
from k8s_lifecycle.discovery.catalogue import Cluster
from k8s_lifecycle.discovery.cluster import COREFILE, SERVICES
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model.kubernetes_services import OURS, Instance

COREDNS = {"metadata": {"name": "coredns"}, "data": {"Corefile": ".:53 {\n    errors\n}\n", "other": "kept"}}
NODE = Cluster("dc1-prod", "10.11.0.100")


@pytest.fixture
def api():
    return FakeApi({COREFILE: COREDNS})


@pytest.fixture
def term(api):
    mine = elected.Term("cp-1")
    assert mine.renew(api)
    return mine


@pytest.fixture
def clock(monkeypatch):
    """Both clocks, which the test moves."""

    class Clock:
        now = time.time()

    monkeypatch.setattr("time.monotonic", lambda: Clock.now)
    monkeypatch.setattr("time.time", lambda: Clock.now)
    return Clock


def test_one_is_elected_and_the_next_only_when_its_time_is_over(api):
    first, second = elected.Term("cp-1"), elected.Term("cp-2")
    assert first.renew(api)
    assert not second.renew(api)
    with pytest.raises(HostError, match="was not renewed in time"):
        second.require()
    written = len(api.calls)
    assert first.renew(api)
    assert len(api.calls) == written  # it was just renewed
    lease.release(api, "cp-1", cluster.LEASE)
    assert second.renew(api)
    assert lease.find(api) is None  # the cluster's lock is another one


def test_a_holder_stops_to_write_before_another_may_take_over(api, clock):
    first, second = elected.Term("cp-1"), elected.Term("cp-2")
    assert first.renew(api)
    stopped = taken = None
    for _ in range(60):
        clock.now += 0.5
        try:
            first.require()
        except HostError:
            stopped = stopped or clock.now
        if second.renew(api):
            taken = clock.now
            break
    # Clocks may differ, and a call that began in time may end late.
    assert taken - stopped > elected.TIMEOUT + 2
    assert elected.TRUSTED > elected.RENEW + elected.TIMEOUT


def test_the_time_counts_from_before_the_answer(api, clock):
    def slow():
        clock.now += elected.TRUSTED + 1

    api.before_write = slow
    mine = elected.Term("cp-1")
    assert mine.renew(api)
    with pytest.raises(HostError):
        mine.require()


def test_coredns_is_told_once_and_the_rest_of_its_configuration_stays(api, term):
    for _ in range(2):
        elected.settle_corefile(api, True, term)
    found = api.get(COREFILE)["data"]
    assert "forward . 169.254.20.53:8600" in found["Corefile"]
    assert found["other"] == "kept"
    assert [at for _, at in api.calls].count(COREFILE) == 1
    elected.settle_corefile(api, False, term)
    assert api.get(COREFILE)["data"] == COREDNS["data"]


def test_who_changes_it_meanwhile_is_not_overwritten(api, term):
    def somebody():
        api.before_write = lambda: None
        api.merge(COREFILE, {"data": {"other": "theirs"}})

    api.before_write = somebody
    elected.settle_corefile(api, True, term)
    assert api.get(COREFILE)["data"] == {**COREDNS["data"], "other": "theirs"}


def test_coredns_is_not_written_without_the_lease(api):
    with pytest.raises(HostError):
        elected.settle_corefile(api, True, elected.Term("cp-2"))
    assert api.calls == []
    elected.settle_corefile(FakeApi(), True, elected.Term("cp-2"))  # a cluster without CoreDNS


def instance(address="10.11.0.21", ready=True, **meta):
    own = {**OURS, "namespace": "default", "kubernetes-service": "web", **meta}
    return Instance("shop", address, 30080, own, ready)


class Catalogue:
    """Consul's agent: a node and its checks."""

    def __init__(self, node=None, services=None, checks=()):
        self.there = node and {"Node": {"Node": NODE.node, "Meta": node}, "Services": services or {}}
        self.checks, self.put_ = checks, []

    def get(self, path):
        return self.checks if path.startswith("health") else self.there

    def put(self, path, content):
        self.put_.append((path, content))


def told(one):
    return {"Service": one.service, "Address": one.address, "Port": one.port, "Meta": dict(one.meta)}


def test_what_is_not_of_our_making_is_never_touched():
    foreign = {"Service": "shop", "Address": "10.0.0.9", "Port": 1, "Meta": {}}
    agent = Catalogue(OURS, {"x": foreign, instance().id: told(instance())})
    todo = catalogue.differences(catalogue.found(agent, NODE), [])
    assert todo.remove == [instance().id]
    with pytest.raises(HostError, match="not of our making"):
        catalogue.found(Catalogue({"somebody": "else"}), NODE)


@pytest.mark.parametrize(
    ("there", "writes"),
    [
        (instance(), False),
        (instance(ready=False), True),
        (instance(namespace="other"), True),
        (None, True),
    ],
)
def test_only_what_differs_is_written(there, writes):
    services = {instance().id: told(there)} if there else {}
    status = "passing" if there and there.ready else "critical"
    agent = Catalogue(OURS, services, [{"ServiceID": instance().id, "Status": status}])
    todo = catalogue.differences(catalogue.found(agent, NODE), [instance()])
    assert bool(todo) is writes
    assert todo.remove == []


def test_an_instance_without_its_check_is_written_again():
    agent = Catalogue(OURS, {instance().id: told(instance())})
    assert catalogue.differences(catalogue.found(agent, NODE), [instance()]).write == [instance()]


def test_the_first_write_makes_the_node_and_nothing_is_written_without_permission():
    agent = Catalogue()
    todo = catalogue.differences(catalogue.found(agent, NODE), [instance(), instance("10.11.0.22", False)])
    with pytest.raises(ConflictError):
        catalogue.settle(agent, NODE, todo, refuse)
    assert agent.put_ == []
    catalogue.settle(agent, NODE, todo, lambda: None)
    (_, first), (_, second), (_, third) = agent.put_
    assert first == {"Node": "k8s_dc1-prod", "Address": "10.11.0.100", "NodeMeta": OURS}
    assert [one["Check"]["Status"] for one in (second, third)] == ["passing", "critical"]
    assert second["Check"]["ServiceID"] == second["Service"]["ID"]


def refuse():
    raise ConflictError(409, "Conflict", "not now")


class Watching(FakeApi):
    """An API server whose watch tells what the test says."""

    def __init__(self, listed, events):
        super().__init__()
        self.listed, self.events, self.versions_asked = listed, events, []

    def get(self, path, **query):
        return {"metadata": {"resourceVersion": "7"}, "items": self.listed}

    def watch(self, path, version, seconds):
        self.versions_asked.append(version)
        yield from self.events


def named(name, value=1):
    return {"metadata": {"name": name, "namespace": "a"}, "value": value}


def watched(listed, events):
    changed = threading.Event()
    found = Watched(SERVICES, lambda one: one["value"], changed)
    assert found.now() is None
    api = Watching(listed, events)
    found.follow(api)
    assert api.versions_asked == ["7"]
    return found, changed, api


def event(kind, manifest):
    return {"type": kind, "object": manifest}


def test_what_is_watched_is_known_as_it_is_now():
    events = [
        event("ADDED", named("b", 2)),
        event("MODIFIED", named("a", 3)),
        event("BOOKMARK", {"metadata": {"resourceVersion": "9"}}),
        event("DELETED", named("b", 2)),
        event("ADDED", named("uninteresting", None)),
    ]
    found, changed, _ = watched([named("a")], events)
    assert found.now() == [3]
    assert changed.is_set()


def test_a_version_that_is_too_old_ends_the_watch_and_the_next_list_counts():
    found, changed, api = watched([named("a")], [event("ERROR", {"code": 410}), event("ADDED", named("x"))])
    assert found.now() == [1]
    changed.clear()
    found.follow(api)
    assert not changed.is_set()
    api.listed = []
    found.follow(api)
    assert (found.now(), changed.is_set()) == ([], True)


def test_the_address_of_a_node_is_the_one_that_it_was_admitted_with():
    api = FakeApi()
    servers.record(api, "w-1", "dc1-w-1", ["10.11.0.21", "10.99.0.21"])
    assert servers.shown(api) == {"w-1": "10.11.0.21"}
