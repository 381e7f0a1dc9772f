"""One actor at a time: two runs, dead runs and frozen runs on simulated servers."""

import pytest
from simulator import fleet
from simulator.fleet import MasterCrashError
from simulator.modules import FUNCTIONS, k8s_lock
from simulator.scenario import Datacenter, Shape, assert_converged
from simulator.stage import Part, Stage

from k8s_lifecycle.action import lock


@pytest.fixture
def datacenter():
    return Datacenter(Shape(3, 2))


def play(datacenter, *parts):
    return Stage(datacenter.world, parts).play()


def test_of_two_runs_at_once_the_second_fails_and_names_the_first(datacenter):
    first, second = play(datacenter, Part(datacenter.provision), Part(datacenter.provision, begins=30))
    assert first.ok
    assert second.locked_out
    assert "held by provision run-1 by sim" in second.failure
    assert second.steps == []
    assert_converged(datacenter)


def test_of_two_runs_in_the_same_moment_at_most_one_begins(datacenter):
    reports = play(datacenter, Part(datacenter.provision), Part(datacenter.provision))
    assert sum(report.locked_out for report in reports) >= 1
    datacenter.outlive_locks()
    assert datacenter.converge(attempts=2)[-1].ok
    assert_converged(datacenter)


def test_run_again_at_once_a_dead_run_is_named_with_the_seconds_it_has_left(datacenter):
    with pytest.raises(MasterCrashError):
        datacenter.provision(datacenter.fleet(dies=fleet.after(100)))
    report = datacenter.provision()
    assert report.locked_out
    assert "held by provision run-1 by sim" in report.failure
    datacenter.outlive_locks()
    assert datacenter.provision().ok


def test_run_again_at_once_on_the_master_that_knows_it_dead_a_run_takes_over(datacenter):
    with pytest.raises(MasterCrashError):
        datacenter.provision(datacenter.fleet(dies=fleet.after(100)))
    datacenter.dead.add("run-1")
    assert datacenter.provision().ok
    assert_converged(datacenter)


def test_a_lease_that_could_not_be_given_back_is_taken_over_at_once(datacenter, monkeypatch):
    """No API answers when a run ends, as after a power cut that cost etcd its quorum for a moment."""
    assert datacenter.provision().ok
    datacenter.world.reinstall("w-1")
    real = k8s_lock.release

    def without_api(world, here, cluster, holder):
        yield world.seconds(1)
        here.disk.lock = None
        return {"server": True, "lease": None}

    monkeypatch.setitem(FUNCTIONS, "k8s_lock.release", without_api)
    assert datacenter.provision().ok
    monkeypatch.setitem(FUNCTIONS, "k8s_lock.release", real)
    assert datacenter.world.etcds[0].objects.lease.holder == "provision run-2 by sim"
    datacenter.world.reinstall("w-2")
    assert datacenter.provision().ok
    assert_converged(datacenter)


@pytest.mark.parametrize("frozen_at", [15.0, 25.0, 35.0, 45.0, 55.0])
def test_a_run_that_was_frozen_past_its_lock_is_refused_by_the_servers(datacenter, frozen_at):
    late = frozen_at + lock.SECONDS + 5
    frozen = Part(datacenter.provision, frozen=(frozen_at, late + 20))
    first, second = play(datacenter, frozen, Part(datacenter.provision, begins=late))
    assert second.ok
    assert not first.ok
    assert_converged(datacenter)


def test_where_an_api_answers_one_server_is_enough_for_the_lock(datacenter):
    assert datacenter.provision().ok
    datacenter.world.reinstall("w-1")
    for server in ("cp-2", "cp-3"):
        datacenter.world.silence(server, 1000)
    assert datacenter.provision().ok
    assert datacenter.properties.fence == 2
