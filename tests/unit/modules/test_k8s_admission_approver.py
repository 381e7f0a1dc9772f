"""The approver: one request of one token for one node, and never a second one."""

import base64
from datetime import UTC, datetime

import pytest
from fake_api import FakeApi
from test_k8s_csr_decisions import client, request

from k8s_lifecycle.cluster import approval, approver, bootstrap_token

NOW = 1_800_000_000.0
SECRET = bootstrap_token.path("abc123")


def secret(expires=NOW + 600):
    expiration = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {
            "name": "bootstrap-token-abc123",
            "annotations": {approver.NODE: "dc1-w-1", approver.MINION: "dc1-w-1"},
        },
        "data": {"expiration": base64.b64encode(expiration.encode()).decode()},
    }


def add(api, name, **changes):
    found = client(**changes)
    found["metadata"]["name"] = name
    api._store(f"{approval.COLLECTION}/{name}", found)


@pytest.fixture
def api():
    return FakeApi({SECRET: secret()})


def approved(api):
    found = [item for path, item in api.objects.items() if path.startswith(approval.COLLECTION)]
    return {item["metadata"]["name"] for item in found if item.get("status", {}).get("conditions")}


def look(api, times=1, now=NOW):
    return [approver.look(api, "abc123", now) for _ in range(times)][-1]


def test_approves_the_request_it_is_for(api):
    add(api, "csr-1")
    assert look(api)
    assert approved(api) == {"csr-1"}
    assert api.objects[SECRET]["metadata"]["annotations"][approver.USED_BY] == "csr-1"


def test_the_mark_comes_before_the_approval(api):
    add(api, "csr-1")
    look(api)
    assert [verb for verb, _ in api.calls] == ["merge", "replace"]


def test_never_approves_a_second_one(api):
    add(api, "csr-1")
    look(api)
    add(api, "csr-2")
    look(api, times=3)
    assert approved(api) == {"csr-1"}


def test_a_request_for_another_node_does_not_stand_in_the_way(api):
    add(api, "a-foreign-one", request=request("system:node:dc1-w-2"))
    add(api, "csr-1")
    look(api)
    assert approved(api) == {"csr-1"}


def test_of_two_at_once_one_gets_it(api):
    add(api, "csr-1")
    add(api, "csr-2")
    look(api, times=3)
    assert len(approved(api)) == 1


def test_goes_on_after_it_was_killed_between_mark_and_approval(api):
    add(api, "csr-1")
    api.merge(SECRET, {"metadata": {"annotations": {approver.USED_BY: "csr-1"}}})
    look(api)
    assert approved(api) == {"csr-1"}


def test_leaves_it_to_another_approver_that_was_first(api):
    add(api, "csr-1")
    add(api, "csr-2")
    raced = []

    def other():
        if not raced:
            raced.append(True)
            api.merge(SECRET, {"metadata": {"annotations": {approver.USED_BY: "csr-2"}}})

    api.before_write = other
    look(api)
    api.before_write = lambda: None
    look(api, times=2)
    assert approved(api) <= {"csr-2"}


@pytest.mark.parametrize(
    "changes",
    [
        {"request": request("system:node:dc1-cp-1")},
        {"username": "system:bootstrap:zzz999"},
        {"usages": ["digital signature", "client auth", "server auth"]},
    ],
)
def test_does_not_approve_anything_else(api, changes):
    add(api, "csr-1", **changes)
    assert look(api)
    assert approved(api) == set()
    assert approver.USED_BY not in api.objects[SECRET]["metadata"]["annotations"]


def test_ends_when_the_admission_is_revoked(api):
    api.delete(SECRET)
    assert not look(api)


def test_revokes_the_admission_when_its_time_is_up(api):
    add(api, "csr-1")
    assert not look(api, now=NOW + 601)
    assert SECRET not in api.objects
    assert approved(api) == set()
