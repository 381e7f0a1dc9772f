"""The master dies at every event of a provision; the next run ends it, with the same cluster. Simulated.

Jobs on the servers go on, kubeadm goes on, the lock stays until it expires.
"""

import random
from functools import partial

import pytest
from simulator import fleet, sweep
from simulator.fleet import MasterCrashError
from simulator.scenario import Datacenter, Shape, assert_converged

SHAPES = [
    Shape(1, 0),
    Shape(1, 2),
    Shape(3, 2),
    Shape(3, 0, schedulable=True),
    Shape(3, 2, spares=2),
    Shape(5, 3),
]
LARGE, STRIDE = Shape(3, 10), 9  # every ninth event of what has most
CHANGE_STRIDE = 3  # every third event of what changes a cluster that is there
SLOW = 15.0  # kubeadm then runs for longer than the lock of a dead run lasts
AGAIN = "pytest tests/simulation/test_every_master_crash.py -k '{}' --point POINT"


def crash(shape, pace, is_point):
    """Provision with a master that dies at the point, and once more."""
    crash_in(Datacenter(shape, pace=pace), is_point)


def crash_in_growth(is_point):
    """A cluster of one control plane and its worker becomes one of three and three."""
    datacenter = Datacenter(Shape(1, 1))
    assert datacenter.provision().ok
    datacenter.grow(Shape(3, 3))
    crash_in(datacenter, is_point)


def crash_in_replacement(victim, is_point):
    """A control plane that comes back with an empty disk."""
    datacenter = Datacenter(Shape(3, 1))
    assert datacenter.provision().ok
    datacenter.world.reinstall(victim)
    datacenter.world.clock.advance(60)
    crash_in(datacenter, is_point)


def crash_in(datacenter, is_point):
    try:
        report = datacenter.provision(datacenter.fleet(dies=is_point))
    except MasterCrashError:
        datacenter.outlive_locks()
        report = datacenter.provision()
        if report.locked_out:  # a renewal was still under way when the master died
            datacenter.outlive_locks()
            report = datacenter.provision()
    assert report.ok, report.to_dict()
    assert_converged(datacenter)


def crash_twice(shape, seed):
    chance = random.Random(seed)
    datacenter = Datacenter(shape, seed)
    for _ in range(2):
        try:
            datacenter.provision(datacenter.fleet(dies=fleet.after(chance.randrange(500))))
        except MasterCrashError:
            datacenter.outlive_locks()
    assert datacenter.converge(attempts=2)[-1].ok
    assert_converged(datacenter)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_killed_at_any_event_and_run_again(shape, point):
    found = sweep.everywhere(partial(crash, shape, 1.0), point)
    sweep.assert_none(found, AGAIN.format(f"killed_at_any_event and {shape}"))


def test_killed_at_some_events_of_a_large_one(point):
    found = sweep.everywhere(partial(crash, LARGE, 1.0), point, STRIDE)
    sweep.assert_none(found, AGAIN.format("large_one"))


def test_killed_at_some_events_while_the_control_plane_grows(point):
    found = sweep.everywhere(crash_in_growth, point, CHANGE_STRIDE)
    sweep.assert_none(found, AGAIN.format("grows"))


@pytest.mark.parametrize("victim", ["cp-1", "cp-3"])
def test_killed_at_some_events_while_a_reinstalled_control_plane_joins_again(victim, point):
    found = sweep.everywhere(partial(crash_in_replacement, victim), point, CHANGE_STRIDE)
    sweep.assert_none(found, AGAIN.format(f"reinstalled and {victim}"))


def test_a_kubeadm_that_still_runs_is_waited_for(point):
    found = sweep.everywhere(partial(crash, Shape(3, 0, schedulable=True), SLOW), point)
    sweep.assert_none(found, AGAIN.format("still_runs"))


def test_killed_twice(point):
    found = sweep.each(partial(crash_twice, Shape(3, 2, spares=1)), range(200) if point is None else [point])
    sweep.assert_none(found, AGAIN.format("killed_twice"))


def test_the_plan_after_a_crash_waits_for_kubeadm_first():
    datacenter = Datacenter(Shape(1, 0))
    server = datacenter.world.servers["cp-1"]
    with pytest.raises(MasterCrashError):
        datacenter.provision(datacenter.fleet(dies=lambda: server.kubeadm_runs))
    plan = datacenter.plan()
    assert [str(step) for step in plan.steps] == ["wait_kubeadm cp-1"]
    assert plan.partial
