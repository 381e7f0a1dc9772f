"""A node is settled: exactly the labels and taints of its pool, and what others put there stays."""

import json

from fake_api import FakeApi

from k8s_lifecycle.cluster import nodes

STARTUP = {"key": "k8s-lifecycle.io/startup", "effect": "NoSchedule"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
DEDICATED = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
PATH = f"{nodes.NODES}/w-1"


def node(labels=None, taints=(), settled=None, ready="True"):
    metadata = {"name": "w-1", "labels": {"kubernetes.io/os": "linux", **(labels or {})}}
    if settled:
        metadata["annotations"] = {nodes.SETTLED: json.dumps(settled)}
    conditions = [{"type": "Ready", "status": ready, "message": "cni plugin not initialized"}]
    return {"metadata": metadata, "spec": {"taints": list(taints)}, "status": {"conditions": conditions}}


def settle(api, labels=None, taints=(), *, open_=False):
    return nodes.settle(api, "w-1", labels or {}, taints, remove_startup_taint=open_)


def taints(api):
    return [taint["key"] for taint in api.objects[PATH]["spec"]["taints"]]


def test_gives_labels_and_taints():
    api = FakeApi({PATH: node(taints=[STARTUP, NOT_READY])})
    assert settle(api, {"tier": "db"}, [DEDICATED])
    assert api.objects[PATH]["metadata"]["labels"] == {"kubernetes.io/os": "linux", "tier": "db"}
    assert taints(api) == [STARTUP["key"], NOT_READY["key"], "dedicated"]


def test_a_settled_node_is_left_alone():
    api = FakeApi({PATH: node()})
    settle(api, {"tier": "db"}, [DEDICATED])
    writes = len(api.calls)
    assert not settle(api, {"tier": "db"}, [DEDICATED])
    assert len(api.calls) == writes


def test_opens_the_node_when_asked_to():
    api = FakeApi({PATH: node(taints=[STARTUP, NOT_READY])})
    assert settle(api, open_=True)
    assert taints(api) == [NOT_READY["key"]]


def test_removes_what_its_pool_no_longer_asks_for_and_nothing_else():
    api = FakeApi({PATH: node({"theirs": "x"}, [NOT_READY])})
    settle(api, {"old": "1"}, [DEDICATED])
    settle(api, {"new": "2"}, [])
    assert api.objects[PATH]["metadata"]["labels"] == {"kubernetes.io/os": "linux", "theirs": "x", "new": "2"}
    assert taints(api) == [NOT_READY["key"]]


def test_a_taint_gets_its_new_value():
    api = FakeApi({PATH: node(taints=[DEDICATED])})
    assert settle(api, {}, [{**DEDICATED, "value": "web"}])
    assert api.objects[PATH]["spec"]["taints"] == [{**DEDICATED, "value": "web"}]


def test_a_kubelet_that_writes_at_the_same_time_loses_nothing():
    api = FakeApi({PATH: node()})
    busy = [True, True]

    def kubelet():
        if busy:
            busy.pop()
            api._store(PATH, {**api.objects[PATH], "status": {"heard": len(busy)}})

    api.before_write = kubelet
    assert settle(api, {"tier": "db"})
    assert api.objects[PATH]["status"] == {"heard": 0}


def test_waits_for_a_node_and_says_why_it_is_not_ready():
    api = FakeApi({PATH: node(ready="False")})
    assert nodes.wait_ready(api, "w-1", 0).startswith("cni plugin not initialized")
    assert nodes.wait_ready(api, "w-2", 0).startswith("it is not in the cluster")


def test_waits_for_a_node_to_fall_silent():
    api = FakeApi({PATH: node(ready="False")})
    assert nodes.wait_not_ready(api, "w-1", 0) == nodes.wait_not_ready(api, "w-2", 0) == ""
    assert nodes.wait_not_ready(FakeApi({PATH: node()}), "w-1", 0) == "its kubelet still reports"


def test_says_nothing_of_a_node_that_is_ready():
    assert nodes.wait_ready(FakeApi({PATH: node()}), "w-1", 0) == ""
