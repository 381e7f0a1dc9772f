"""What provision refuses to do, on simulated servers: nothing may be changed then."""

from dataclasses import replace

import pytest
from simulator.properties import HOUSEKEEPING, READ_ONLY
from simulator.scenario import Datacenter, Shape, assert_converged

from k8s_lifecycle.action import steps
from k8s_lifecycle.model.quorum import Answer, Proof

DAY = 86400


@pytest.fixture
def cluster():
    """A finished cluster."""
    datacenter = Datacenter(Shape(3, 2))
    assert datacenter.provision().ok
    return datacenter


def changes(fleet):
    return [call.function for call in fleet.calls if call.function not in READ_ONLY | HOUSEKEEPING]


@pytest.mark.parametrize("silent", ["cp-1", "cp-2", "cp-3"])
def test_no_init_while_a_named_control_plane_is_silent(silent):
    datacenter = Datacenter(Shape(3, 2))
    datacenter.world.silence(silent, DAY)
    fleet = datacenter.fleet()
    report = datacenter.provision(fleet)
    assert [f"{silent} did not answer" in refusal for refusal in report.plan.refusals] == [True]
    assert changes(fleet) == []
    assert datacenter.world.etcds == []


def test_no_init_while_the_one_that_initialised_is_silent():
    datacenter = Datacenter(Shape(3, 0, schedulable=True))
    datacenter.world.listeners.append(
        lambda event, _: datacenter.world.silence("cp-1", 500) if event == "kubeadm_starts" else None
    )
    assert not datacenter.provision().ok
    datacenter.outlive_locks()
    datacenter.world.listeners.pop()
    assert "cp-1 did not answer" in datacenter.provision().plan.refusals[0]
    datacenter.world.clock.advance(500)
    assert datacenter.provision().ok
    assert_converged(datacenter)


def test_all_control_planes_reinstalled_under_living_workers_is_a_restore(cluster):
    for server in cluster.spec.control_plane.servers:
        cluster.world.reinstall(server)
    fleet = cluster.fleet()
    report = cluster.provision(fleet)
    (refusal,) = report.plan.refusals
    assert "w-1, w-2 still hold the credentials of a cluster" in refusal
    assert "restore" in refusal
    assert changes(fleet) == []


def test_nothing_is_decided_about_control_planes_while_etcd_does_not_tell_its_members(cluster):
    for server in cluster.spec.control_plane.servers:
        cluster.world.mute_etcd(server, 100)
    fleet = cluster.fleet()
    report = cluster.provision(fleet)
    assert "etcd did not tell its members" in report.plan.refusals[0]
    assert changes(fleet) == []
    cluster.world.clock.advance(100)
    assert cluster.plan().converged


def test_a_silent_member_has_nothing_to_join(cluster):
    cluster.world.silence("w-1", DAY)
    cluster.world.silence("cp-3", DAY)
    assert cluster.plan().converged


def test_who_replaces_a_control_plane_waits_until_that_one_is_gone(cluster):
    """It hears nothing of the new one: both would carry the virtual address."""
    servers = ("cp-1", "cp-2", "cp-4")
    cluster.spec = replace(cluster.spec, control_plane=replace(cluster.spec.control_plane, servers=servers))
    cluster.world.spec = cluster.spec
    cluster.world.add("cp-4")
    assert "cp-3 carries the endpoint" in cluster.provision().plan.blocked["cp-4"]
    assert len(cluster.world.etcds[0].members) == 3
    assert all("cp-3" in cluster.world.servers[server].disk.endpoint for server in ("cp-1", "cp-2"))


def test_a_reinstalled_voter_is_removed_behind_the_quorum_proof_and_joins_again(cluster):
    cluster.world.reinstall("cp-1")
    assert "remove_member cp-1" in map(str, cluster.plan().steps)
    assert cluster.provision().ok
    assert_converged(cluster)


def test_one_whose_removal_cannot_be_proved_stays_what_it_is(cluster, monkeypatch):
    monkeypatch.setattr(steps, "prove", lambda *_: Proof(Answer.NO, ("cp-3 is down",)))
    cluster.world.reinstall("cp-1")
    report = cluster.provision()
    (failed,) = (done for done in report.steps if done.failure)
    assert str(failed.step) == "remove_member cp-1"
    assert "cp-3 is down" in str(failed.failure)
    assert len(cluster.world.etcds[0].members) == 3


def test_a_reinstalled_worker_joins_under_its_old_name(cluster):
    cluster.world.reinstall("w-1")
    assert "forget_node w-1" in map(str, cluster.plan().steps)
    assert cluster.provision().ok
    assert_converged(cluster)
