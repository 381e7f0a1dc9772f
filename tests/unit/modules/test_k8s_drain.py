"""A node is emptied: who is asked again, who never, what is waited for, and what stops it."""

import json
from dataclasses import replace

import pytest
from fake_api import FakeApi

from k8s_lifecycle.cluster import drain, holds, nodes
from k8s_lifecycle.cluster.api import RefusedError, UnreachableError
from k8s_lifecycle.model.eviction import Options
from k8s_lifecycle.model.hold import Hold, moment

NODE = f"{nodes.NODES}/w-1"
HOLD = Hold("drain", "run-1", "ann", "a new disk", moment(), moment(600))
FORBIDDEN = RefusedError(
    429, "TooManyRequests", "POST x: Cannot evict", {"DisruptionBudget": "web needs 2, has 2"}
)
NEVER = RefusedError(500, "", "POST x: This pod has more than one PodDisruptionBudget")


class Cluster(FakeApi):
    """Pods on one node. answers: what the API server says to evictions of a pod, one after the other."""

    def __init__(self, *pods, attachments=(), claims=(), budgets=()):
        super().__init__({NODE: node()})
        self.pods = {pod["metadata"]["name"]: pod for pod in pods}
        self.lists = {drain.BUDGETS: budgets, drain.ATTACHMENTS: list(attachments)}
        self.claims = dict(claims)
        self.daemon_sets = set()
        self.answers = {}
        self.asked = []
        holds.take(self, "w-1", HOLD)

    def get(self, path, **query):
        if path == "/api/v1/pods":
            assert query == {"fieldSelector": "spec.nodeName=w-1"}
            return {"items": list(self.pods.values())}
        return {"items": self.lists[path]} if path in self.lists else super().get(path, **query)

    def find(self, path):
        claim = path.rpartition("/")[2]
        if "/daemonsets/" in path:
            return {} if claim in self.daemon_sets else None
        return {"spec": {"volumeName": self.claims[claim]}} if claim in self.claims else super().find(path)

    def create(self, path, manifest):
        name = manifest["metadata"]["name"]
        assert path.endswith(f"/pods/{name}/eviction")
        self.asked.append((name, json.dumps(manifest["deleteOptions"], sort_keys=True)))
        if self.answers.get(name):
            raise self.answers[name].pop(0)
        del self.pods[name]


def node():
    return {
        "metadata": {"name": "w-1"},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def pod(name, owner="ReplicaSet", **spec):
    owners = [{"controller": True, "apiVersion": "apps/v1", "kind": owner, "name": "web"}] if owner else []
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "ownerReferences": owners}
    times = {"creationTimestamp": moment(-60)}
    return {
        "metadata": {**metadata, **times, "labels": {"app": "web"}},
        "spec": spec,
        "status": {"phase": "Running"},
    }


def attachment(volume):
    spec = {"nodeName": "w-1", "attacher": "csi", "source": {"persistentVolumeName": volume}}
    return {"metadata": {"name": volume}, "spec": spec}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(drain, "POLL", 0.01)


def evict(api, seconds=5, **options):
    return drain.evict(api, "w-1", "run-1", Options(**options), seconds)


DONE = {"left": [], "never": [], "attachments": [], "skipped": [], "lost": ""}


def test_evicts_what_goes_by_its_uid_with_its_own_grace():
    api = Cluster(pod("a"), pod("b"))
    assert evict(api) == DONE
    assert sorted(api.asked) == [(name, f'{{"preconditions": {{"uid": "uid-{name}"}}}}') for name in "ab"]


def test_asks_again_where_a_budget_forbids_it_now_and_others_go_meanwhile():
    api = Cluster(pod("a"), pod("b"))
    api.answers["a"] = [FORBIDDEN]
    assert evict(api) == DONE
    assert [name for name, _ in api.asked].count("a") == 2


def test_says_which_budget_forbids_it_when_the_time_is_up():
    api = Cluster(pod("a"))
    api.answers["a"] = [FORBIDDEN] * 9
    assert evict(api, 0)["left"] == [{"pod": "shop/a", "why": "web needs 2, has 2"}]


def test_says_of_which_pod_waiting_is_no_use():
    api = Cluster(pod("a"), pod("b"))
    api.answers["a"] = [NEVER]
    said = evict(api, 0)
    assert [one["pod"] for one in said["never"]] == ["shop/a"]
    assert list(api.pods) == ["a"]


def test_a_bare_pod_that_came_meanwhile_stops_it():
    assert [one["pod"] for one in evict(Cluster(pod("a", owner=None)), 0)["never"]] == ["shop/a"]


def test_waits_for_a_pod_that_is_ending_and_names_what_holds_it():
    held = pod("a")
    held["metadata"] |= {"deletionTimestamp": moment(), "finalizers": ["example.com/never"]}
    api = Cluster(held)
    why = "it is ending, held by its finalizers example.com/never"
    assert evict(api, 0)["left"] == [{"pod": "shop/a", "why": why}]
    assert api.asked == []


def claiming(name):
    return {"name": "data", "persistentVolumeClaim": {"claimName": name}}


def test_waits_for_the_volumes_of_the_pods_that_went_only():
    daemon = pod("d", owner="DaemonSet", volumes=[claiming("log")])
    ephemeral = pod("b", volumes=[{"name": "scratch", "ephemeral": {}}])
    api = Cluster(
        pod("a", volumes=[claiming("data")]),
        ephemeral,
        daemon,
        attachments=[attachment(volume) for volume in ("pv-a", "pv-b", "pv-log", "pv-of-nobody")],
        claims=[("data", "pv-a"), ("b-scratch", "pv-b"), ("log", "pv-log")],
    )
    api.daemon_sets = {"web"}
    assert evict(api, 0.3) == {**DONE, "attachments": ["pv-a by csi", "pv-b by csi"]}


def test_waits_for_the_volumes_that_the_hold_remembers():
    api = Cluster(attachments=[attachment("pv-a")])
    holds.take(api, "w-1", replace(HOLD, volumes=("pv-a",)))
    assert evict(api, 0.1)["attachments"] == ["pv-a by csi"]
    api.lists[drain.ATTACHMENTS].clear()
    assert evict(api) == DONE


def test_stops_once_the_hold_is_anothers():
    api = Cluster(pod("a"))
    holds.release(api, "w-1", HOLD, force=True)
    assert evict(api)["lost"] == "it is not held any more"
    assert api.asked == []


def test_an_api_server_that_is_silent_for_a_moment_is_asked_again():
    api = Cluster(pod("a"))
    api.answers["a"] = [UnreachableError("it does not answer")]
    silent = [True, True]
    get = api.get

    def flaky(path, **query):
        if silent:
            silent.pop()
            raise UnreachableError("it does not answer")
        return get(path, **query)

    api.get = flaky
    assert evict(api) == DONE


def test_names_the_pods_that_it_does_not_wait_for():
    ending = pod("a")
    ending["metadata"]["deletionTimestamp"] = moment(-100)
    said = evict(Cluster(ending), skip_wait_for_delete_timeout=60)
    assert [one["pod"] for one in said["skipped"]] == ["shop/a"]


def test_a_look_names_the_budgets_and_the_pods_that_are_never_evicted():
    budgets = [
        {
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"selector": {}},
            "status": {"disruptionsAllowed": 1},
        }
        for name in ("one", "two")
    ]
    look = drain.look(Cluster(pod("a")), "w-1", Options(), budgets)
    assert "budget one allows 1 now" in look["goes"][0]["why"]
    assert "(one, two)" in look["forbidden"][0]["why"]
    assert drain.look(Cluster(pod("a")), "w-1", Options(disable_eviction=True), budgets)["forbidden"] == []
    assert drain.look(Cluster(), "w-2", Options(), budgets) is None
