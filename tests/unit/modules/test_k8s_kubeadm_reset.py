"""A reset wipes no etcd data that counts, and of the kernel's rules only those of the cluster."""

from pathlib import Path

import pytest

from k8s_lifecycle.cluster.etcd import EtcdError, Member, Membership
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.server import endpoint, network_leftovers, reset


def member(name, number, learner=False):
    return Member(name, number, learner, [], [])


class FakeEtcd:
    def __init__(self, membership):
        self.found = membership

    def membership(self):
        if self.found is None:
            raise EtcdError("etcd at https://127.0.0.1:2379 does not answer")
        return self.found

    def own_id(self):
        return "a"


VOTES = Membership((member("cp-1", "a"), member("cp-2", "b")), quorum=True)
LEARNS = Membership((member("cp-1", "a", learner=True), member("cp-2", "b")), quorum=True)
REMOVED = Membership((member("cp-2", "b"),), quorum=True)
REMEMBERS = Membership(VOTES.members, quorum=False)


@pytest.mark.parametrize(
    ("local", "not_voting", "allowed"),
    [
        (VOTES, False, False),
        (VOTES, True, False),  # what a quorum says here and now comes first
        (REMEMBERS, False, False),
        (REMEMBERS, True, True),  # it was removed while it was cut off, and does not know it
        (LEARNS, False, True),
        (REMOVED, False, True),
        (None, False, False),
        (None, True, True),
    ],
)
def test_data_that_etcd_counts_on_is_not_wiped(tmp_path, monkeypatch, local, not_voting, allowed):
    monkeypatch.setattr(reset, "ETCD_DATA", tmp_path)
    monkeypatch.setattr(reset, "Etcd", lambda _: FakeEtcd(local))
    if allowed:
        reset.refuse_voter(not_voting=not_voting)
    else:
        with pytest.raises(HostError, match="k8s_etcd"):
            reset.refuse_voter(not_voting=not_voting)


def test_a_server_without_etcd_data_may_always_be_reset(tmp_path, monkeypatch):
    monkeypatch.setattr(reset, "ETCD_DATA", tmp_path / "none")
    reset.refuse_voter(not_voting=False)


SAVED = """*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:SITE-NAT - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-ABC - [0:0]
:FLANNEL-POSTRTG - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j SITE-NAT
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A SITE-NAT -p tcp --dport 25 -j REDIRECT --to-ports 2525
-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SVC-ABC
-A KUBE-SVC-ABC -j RETURN
COMMIT
"""


def test_only_the_clusters_own_chains_go():
    assert network_leftovers.without_chains(SAVED).splitlines() == [
        ":KUBE-SERVICES - [0:0]",
        ":KUBE-SVC-ABC - [0:0]",
        ":FLANNEL-POSTRTG - [0:0]",
        '-D PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-D POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
        "-X KUBE-SERVICES",
        "-X KUBE-SVC-ABC",
        "-X FLANNEL-POSTRTG",
    ]


def test_nothing_is_said_where_there_are_none():
    assert network_leftovers.without_chains("*nat\n:SITE-NAT - [0:0]\n-A SITE-NAT -j RETURN\nCOMMIT\n") == ""


def test_directories_are_emptied_and_stay(tmp_path, monkeypatch):
    full, empty, absent = tmp_path / "full", tmp_path / "empty", tmp_path / "absent"
    for directory in (full / "sub", empty):
        directory.mkdir(parents=True)
    (full / "file").write_text("x")
    monkeypatch.setattr(reset, "LEFTOVERS", (full, empty, absent))
    assert list(reset._emptied()) == [str(full)]
    assert list(full.iterdir()) == []


@pytest.fixture
def endpoint_files(tmp_path, monkeypatch):
    files = {
        str(tmp_path / name): service for name, service in (("k.conf", "keepalived"), ("h.cfg", "haproxy"))
    }
    monkeypatch.setattr(endpoint, "SERVICES", files)
    return [Path(path) for path in files]


def test_its_part_of_the_endpoint_ends(endpoint_files, monkeypatch):
    stopped = []
    monkeypatch.setattr(
        endpoint.services,
        "stop",
        lambda name: stopped.append((name, [path.exists() for path in endpoint_files])),
    )
    for path in endpoint_files:
        path.write_text("# Managed by Salt (k8s.endpoint): cluster dc1-prod, 10.0.0.9\n")
    assert endpoint.remove() == list(map(str, endpoint_files))
    # Cut off here or there, the next one finds the file of what it has to stop.
    assert stopped == [("keepalived", [True, True]), ("haproxy", [False, True])]
    assert endpoint.remove() == []


def test_a_sites_own_haproxy_is_left_alone(endpoint_files, monkeypatch):
    for path in endpoint_files:
        path.write_bytes("# für uns\nglobal\n".encode("latin-1"))
    monkeypatch.setattr(endpoint.services, "stop", pytest.fail)
    assert endpoint.remove() == []
    assert all(path.exists() for path in endpoint_files)
