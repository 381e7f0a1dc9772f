"""etcd's members through its JSON gateway: health, quorum, and members that never started."""

import pytest

from k8s_lifecycle.cluster.etcd import Etcd, EtcdError

ONE, TWO, THREE = "1111", "2222", "3333"


class Gateway:
    """Answers like etcd; `silent` has the endpoints that do not, `quorum` whether reads are agreed on."""

    def __init__(self, silent=(), quorum=True, leader=ONE):
        self.silent, self.quorum, self.leader, self.removed = silent, quorum, leader, []
        self.ids = {"https://127.0.0.1:2379": ONE, "https://a:2379": ONE, "https://b:2379": TWO}

    def call(self, endpoint, path, body):
        if endpoint in self.silent:
            raise EtcdError(f"etcd at {endpoint} does not answer")
        if path.endswith("/status"):
            header = {"member_id": self.ids[endpoint]}
            return {"header": header, **({"leader": self.leader} if self.leader else {})}
        if path.endswith("/remove"):
            self.removed.append(body["ID"])
            return {}
        if body["linearizable"] and not self.quorum:
            raise EtcdError("no leader")
        return {
            "members": [
                {"ID": ONE, "name": "cp-1", "peerURLs": ["https://a:2380"], "clientURLs": ["https://a:2379"]},
                {"ID": TWO, "name": "cp-2", "clientURLs": ["https://b:2379"]},
                {"ID": THREE, "peerURLs": ["https://c:2380"], "isLearner": True},
            ]
        }


def etcd(monkeypatch, **how):
    gateway = Gateway(**how)
    monkeypatch.setattr(Etcd, "_call", lambda _, endpoint, path, body: gateway.call(endpoint, path, body))
    return Etcd(), gateway


def seen(membership):
    return [(m.name, m.id, m.learner, m.healthy, m.leader) for m in membership.members]


def test_members_as_etcd_sees_them(monkeypatch):
    membership = etcd(monkeypatch)[0].membership()
    assert membership.quorum
    assert seen(membership) == [
        ("cp-1", "457", False, True, True),
        ("cp-2", "8ae", False, True, False),
        ("", "d05", True, False, False),
    ]


def test_a_silent_member_is_not_healthy(monkeypatch):
    membership = etcd(monkeypatch, silent=("https://b:2379",))[0].membership()
    assert [m.healthy for m in membership.members] == [True, False, False]


def test_a_member_without_a_leader_is_not_healthy(monkeypatch):
    membership = etcd(monkeypatch, quorum=False, leader="")[0].membership()
    assert not membership.quorum
    assert not any(m.healthy for m in membership.members)


def test_another_member_at_its_address_does_not_count(monkeypatch):
    etcd_, gateway = etcd(monkeypatch)
    gateway.ids["https://b:2379"] = THREE
    assert [m.healthy for m in etcd_.membership().members] == [True, False, False]


def test_silence_of_the_local_member_is_no_answer(monkeypatch):
    with pytest.raises(EtcdError, match="does not answer"):
        etcd(monkeypatch, silent=("https://127.0.0.1:2379",))[0].membership()


def test_removes_by_the_decimal_id_that_the_gateway_wants(monkeypatch):
    etcd_, gateway = etcd(monkeypatch)
    etcd_.remove(etcd_.membership().members[1])
    assert gateway.removed == [TWO]
