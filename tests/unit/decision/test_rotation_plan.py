"""The plan of a rotation: the leader last, one at a time, and all at once only where no API answers."""

from dataclasses import replace

import pytest
from answers import control_plane, node

from k8s_lifecycle.decision.certificates import Wanted, plan
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.certificates import DAY, Certificate, Pki
from k8s_lifecycle.model.facts import observe
from k8s_lifecycle.model.hold import Hold

SPEC = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.36.3"},
    "control_plane": {
        "servers": ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3"],
        "endpoint": {"address": "10.11.0.100", "virtual_router_id": 51},
    },
    "pools": {"general": {"servers": ["dc1-w-*"]}},
    "network_addon": {"kind": "none"},
    "packages": {"containerd": {"version": "2.3.7-1"}},
}
SERVERS = ("dc1-cp-1", "dc1-cp-2", "dc1-cp-3")
NOW, YEAR = 1_800_000_000.0, 365 * DAY


@pytest.fixture
def spec():
    found, problems = specs.parse("dc1-prod", SPEC)
    assert not problems
    return found


def certificate(name, left, **how):
    return Certificate(
        name, f"/pki/{name}", NOW + left, fingerprint=name, subject="", issuer="", sans=(), **how
    )


def pki(left=300 * DAY, started=NOW, **how):
    files = (certificate("apiserver", left), certificate("scheduler.conf", left, written=NOW - 60))
    return Pki(files, (), {"kube-scheduler": started}, **how)


def facts(leader="dc1-cp-1"):
    members = [
        {
            "name": name,
            "id": name,
            "learner": False,
            "healthy": True,
            "leader": name == leader,
            "peer_urls": [],
        }
        for name in SERVERS
    ]
    etcd = {"members": members, "quorum": True}
    answers = {name: control_plane(nodes=[node("dc1-w-1")], view={"etcd": etcd}) for name in SERVERS}
    return observe(answers, frozenset(), {})


def without_api():
    return observe({}, frozenset(SERVERS), {})


def planned(spec, found, pkis, made_before=NOW - DAY):
    unread = dict.fromkeys(set(SERVERS) - set(pkis), "it did not answer")
    return plan(spec, found, pkis, unread, Wanted(NOW, made_before))


def test_one_by_one_and_the_leader_last(spec):
    found = planned(spec, facts(leader="dc1-cp-1"), dict.fromkeys(SERVERS, pki()))
    (wave,) = found.waves
    assert wave.window == 1
    assert [str(step) for step in wave.steps] == ["renew dc1-cp-2", "renew dc1-cp-3", "renew dc1-cp-1"]


def test_what_is_new_is_left_alone(spec):
    assert planned(spec, facts(), dict.fromkeys(SERVERS, pki(left=YEAR - 60))).converged


def test_what_was_renewed_and_is_not_in_effect_is_restarted_only(spec):
    pkis = dict.fromkeys(SERVERS, pki(left=YEAR - 60)) | {"dc1-cp-2": pki(left=YEAR - 60, started=NOW - 120)}
    assert [str(step) for step in planned(spec, facts(), pkis).steps] == ["restart dc1-cp-2"]


def test_a_renewal_that_was_cut_off_is_finished(spec):
    pkis = dict.fromkeys(SERVERS, pki(left=YEAR - 60)) | {
        "dc1-cp-3": replace(pki(left=YEAR - 60), staged=True)
    }
    (step,) = planned(spec, facts(), pkis).steps
    assert (str(step), step.reason) == ("renew dc1-cp-3", "a renewal was cut off")


def test_a_silent_control_plane_is_named_and_the_others_are_renewed(spec):
    pkis = {server: pki() for server in SERVERS[1:]}
    found = planned(spec, facts(), pkis)
    assert len(found.steps) == 2
    assert list(found.blocked) == ["dc1-cp-1"]


def kubelet(left):
    return Pki((certificate("kubelet-client-current.pem", left, begins=NOW - DAY),), (), {})


def test_a_kubelet_whose_certificate_has_expired_gets_one_and_others_do_not(spec):
    pkis = dict.fromkeys(SERVERS, pki(left=YEAR - 60))
    assert [str(step) for step in planned(spec, facts(), pkis | {"dc1-w-1": kubelet(-60)}).steps] == [
        "renew_kubelet dc1-w-1"
    ]
    assert planned(spec, facts(), pkis | {"dc1-w-1": kubelet(DAY)}).converged
    assert planned(spec, facts(), pkis | {"dc1-w-9": kubelet(-60)}).converged  # it is no node


def test_a_control_planes_kubelet_comes_before_its_certificates(spec):
    nodes = [node(name) for name in SERVERS]
    answers = {name: control_plane(nodes=nodes) for name in SERVERS}
    needy = replace(pki(), kubelet={"whole": False})
    found = planned(
        spec, observe(answers, frozenset(), {}), dict.fromkeys(SERVERS, pki()) | {"dc1-cp-3": needy}
    )
    assert [wave.name for wave in found.waves] == ["kubelets of control planes", "control planes, one by one"]
    assert str(found.steps[0]) == "renew_kubelet dc1-cp-3"


def test_a_worker_that_is_not_read_is_named(spec):
    pkis = dict.fromkeys(SERVERS, pki(left=YEAR - 60))
    unread = {"dc1-w-1": "it has other modules", "dc1-spare-1": "it did not answer"}
    found = plan(spec, facts(), pkis, unread, Wanted(NOW, NOW - DAY))
    assert found.blocked == {"dc1-w-1": "it has other modules — mend that and run again"}


def test_a_node_that_somebody_holds_is_left_alone(spec):
    hold = Hold("hold", "", "ann", "memory errors", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z").to_dict()

    def with_hold(cordoned):
        held = {"hold": hold, "unschedulable": cordoned}
        nodes = [node(name, **(held if name == "dc1-cp-2" else {})) for name in SERVERS]
        answers = {name: control_plane(nodes=nodes) for name in SERVERS}
        return planned(spec, observe(answers, frozenset(), {}), dict.fromkeys(SERVERS, pki()))

    assert [step.server for step in with_hold(cordoned=True).steps] == ["dc1-cp-1", "dc1-cp-3"]
    assert "memory errors" in with_hold(cordoned=True).blocked["dc1-cp-2"]
    assert with_hold(cordoned=False).blocked == {}  # somebody has opened it behind its back


def test_an_external_authority_is_refused(spec):
    found = planned(spec, facts(), dict.fromkeys(SERVERS, replace(pki(), external=("ca",))))
    assert found.steps == ()
    assert "the key of the authority ca is not in the cluster" in found.refusals[0]


def test_without_an_api_all_are_renewed_at_once_where_they_have_expired(spec):
    found = planned(spec, without_api(), dict.fromkeys(SERVERS, pki(left=-DAY)))
    (wave,) = found.waves
    assert [str(step) for step in wave.steps] == [f"recover {server}" for server in SERVERS]
    assert wave.window == 3
    assert found.partial


def test_without_an_api_a_silent_control_plane_means_none_is_touched(spec):
    found = planned(spec, without_api(), {server: pki(left=-DAY) for server in SERVERS[1:]})
    assert found.steps == ()
    assert "dc1-cp-1: it did not answer" in found.refusals[0]


@pytest.mark.parametrize("how", [{"staged": True}, {"kubelet": {"configured": False}}])
def test_without_an_api_a_renewal_that_was_cut_off_is_finished(spec, how):
    pkis = dict.fromkeys(SERVERS, pki(left=YEAR - 60)) | {"dc1-cp-2": replace(pki(left=YEAR - 60), **how)}
    assert [step.verb for step in planned(spec, without_api(), pkis).steps] == ["recover"] * 3


def test_an_api_that_is_down_for_another_reason_is_not_this_ones_to_mend(spec):
    found = planned(spec, without_api(), dict.fromkeys(SERVERS, pki(left=YEAR - 60)))
    assert "no certificate has expired" in found.refusals[0]


def test_where_nobody_answers_nothing_is_known(spec):
    assert "no control plane server answers" in planned(spec, without_api(), {}).refusals[0]
