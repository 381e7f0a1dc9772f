"""The state k8s_pki.leaf_certificates_valid, on functions that answer as the modules do."""

import time

import pytest
import state_module
from salt.exceptions import CommandExecutionError

from k8s_lifecycle.model import spec as specs

DAY = 86400
SPEC = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.37.2"},
    "control_plane": {
        "servers": ["cp-1", "cp-2", "cp-3"],
        "endpoint": {"address": "10.11.0.100", "virtual_router_id": 51},
    },
    "network_addon": {"kind": "none"},
    "packages": {"containerd": {"version": "2.3.7-1"}},
}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ALWAYS = [window for day in DAYS for window in (f"{day} 00:00-12:00", f"{day} 12:00-00:00")]


class Server:
    """A control plane as k8s_pki, k8s_lock and k8s_etcd show it, and what was asked of it."""

    def __init__(self):
        self.now = time.time()
        self.left, self.whole, self.down = 10 * DAY, True, []
        self.lease = {"holder": "highstate of cp-1"}
        self.not_served, self.restart_fails = [], False
        self.members_of_etcd = ["cp-1", "cp-2", "cp-3"]
        self.called = []

    def report(self):
        one = {"name": "apiserver", "where": "/x", "expires": self.now + self.left, "whole": self.whole}
        return {
            "files": [one],
            "served": [],
            "started": {},
            "healthy": [],
            "kubelet": {},
            "external": [],
            "staged": False,
        }

    def renew(self, fence, spec):
        self.called.append(("renew", fence))
        self.left = 365 * DAY
        return {"backup": "before"}

    def restart(self, fence):
        if self.restart_fails:
            raise CommandExecutionError("kube-scheduler did not come back")

    def put_back(self, fence, backup):
        self.called.append(("put_back", backup))
        self.left = 10 * DAY
        return {"backup": backup, "failed": ""}

    def members(self):
        return {
            "quorum": True,
            "members": [
                {
                    "name": name,
                    "id": name,
                    "learner": False,
                    "healthy": name not in self.down,
                    "peer_urls": [],
                }
                for name in self.members_of_etcd
            ],
        }


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def state(server):
    functions = {
        "k8s_pki.report": server.report,
        "k8s_pki.renew": server.renew,
        "k8s_pki.wait_served": lambda: server.not_served,
        "k8s_pki.restart": server.restart,
        "k8s_pki.put_back": server.put_back,
        "k8s_etcd.members": server.members,
        "k8s_server.facts": lambda: {"fence": 6},
        "k8s_lock.acquire": lambda *_: {"mine": bool(server.lease), "lease": server.lease},
        "k8s_lock.release": lambda *_: server.called.append("release"),
    }
    module = state_module.load("k8s_pki", functions)

    def call(windows=ALWAYS, test=False):
        module.__opts__["test"] = test
        found, problems = specs.parse("dc1-prod", {**SPEC, "maintenance": {"windows": windows}})
        assert not problems
        return module.leaf_certificates_valid("x", {"spec": found.to_dict()})

    return call


def test_outside_a_window_it_only_tells(state, server):
    told = state(windows=[])
    assert (told["result"], told["changes"]) == (True, {})
    assert told["comment"] == "to be renewed: apiserver: run `salt-run k8s.rotate_certs dc1-prod`"
    assert server.called == []


@pytest.mark.parametrize(("left", "whole"), [(-1, True), (300 * DAY, False)])
def test_what_has_expired_or_is_torn_fails(state, server, left, whole):
    server.left, server.whole = left, whole
    assert state(windows=[])["result"] is False


def test_in_a_window_it_renews_under_the_lock(state, server):
    done = state()
    assert done["result"] is True
    assert set(done["changes"]) == {"apiserver"}
    assert server.called == [("renew", 7), "release"]
    assert state()["changes"] == {}


def test_in_test_mode_it_would(state, server):
    told = state(test=True)
    assert told["result"] is None
    assert set(told["changes"]) == {"apiserver"}
    assert server.called == []


def test_what_is_valid_for_long_is_left_alone(state, server):
    server.left = 200 * DAY
    assert state()["comment"] == "No leaf certificate is to be renewed"
    assert server.called == []


def test_without_the_lease_it_leaves_it_to_the_next_highstate(state, server):
    server.lease = None
    told = state()
    assert told["result"] is True
    assert "the next highstate looks again" in told["comment"]
    assert server.called == ["release"]


def test_a_member_that_etcd_needs_is_not_touched(state, server):
    server.down = ["cp-3"]
    told = state()
    assert told["result"] is False
    assert "cp-3 is down" in told["comment"]
    assert server.called == ["release"]


def test_a_cluster_of_one_has_no_quorum_to_keep(state, server):
    server.members_of_etcd = ["cp-1"]
    assert state()["result"] is True
    assert server.called[0] == ("renew", 7)


@pytest.mark.parametrize(("not_served", "restart_fails"), [(["port 6443"], False), ([], True)])
def test_what_does_not_come_into_effect_is_put_back(state, server, not_served, restart_fails):
    server.not_served, server.restart_fails = not_served, restart_fails
    told = state()
    assert (told["result"], told["changes"]) == (False, {})
    assert "the certificates of before are back" in told["comment"]
    assert server.called == [("renew", 7), ("put_back", "before"), "release"]
