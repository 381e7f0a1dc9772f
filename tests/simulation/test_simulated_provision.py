"""The real provision on a simulated fleet without faults: order, windows, and an empty plan after it."""

import itertools

import pytest
from simulator.scenario import Datacenter, Shape, assert_converged

SHAPES = [
    Shape(1, 0),
    Shape(1, 2),
    Shape(3, 2),
    Shape(3, 0, schedulable=True),
    Shape(3, 2, spares=2),
    Shape(5, 3),
    Shape(3, 10),
]


@pytest.fixture
def datacenter():
    return Datacenter(Shape(3, 10, spares=1))


def moments(datacenter, name):
    """When what begins and ends, as the world tells it."""
    found = []
    datacenter.world.listeners.append(
        lambda event, what: found.append((datacenter.world.now, what)) if event == name else None
    )
    return found


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_one_run_makes_the_cluster_and_the_plan_is_empty_after_it(shape):
    datacenter = Datacenter(shape)
    planned = datacenter.plan()
    report = datacenter.provision()
    assert report.ok, report.to_dict()
    assert [(done.step.verb, done.step.server) for done in report.steps if done.failure] == []
    assert sorted(str(done.step) for done in report.steps) == sorted(map(str, planned.steps))
    assert_converged(datacenter)


def test_a_second_run_does_nothing_and_takes_no_lock(datacenter):
    datacenter.provision()
    fleet = datacenter.fleet()
    assert datacenter.provision(fleet).steps == []
    assert {call.function for call in fleet.calls} == {"k8s_server.facts"}


@pytest.mark.parametrize(
    ("trouble", "asked"),
    [("silence", ["cp-2", "cp-3"]), ("mute_etcd", ["cp-1", "cp-2", "cp-3"])],
    ids=["silent", "its etcd tells nothing"],
)
def test_where_one_cannot_tell_all_of_the_cluster_the_others_do(datacenter, trouble, asked):
    datacenter.provision()
    getattr(datacenter.world, trouble)("cp-1", 300)
    fleet = datacenter.fleet()
    report = datacenter.provision(fleet)
    assert [call.server for call in fleet.calls if call.arguments["viewer"] is None] == asked
    assert (report.plan.refusals, report.steps) == ((), [])


def test_control_planes_join_one_by_one(datacenter):
    added = moments(datacenter, "member_added")
    promoted = moments(datacenter, "promoted")
    assert datacenter.provision().ok
    assert [what["server"] for _, what in added] == ["cp-2", "cp-3"]
    order = sorted([*added, *promoted], key=lambda moment: moment[0])
    assert [what["server"] for _, what in order] == ["cp-2", "cp-2", "cp-3", "cp-3"]


def test_workers_join_side_by_side_beside_the_control_planes(datacenter):
    joins = moments(datacenter, "joins")
    assert datacenter.provision().ok
    workers = [when for when, what in joins if not what["control_plane"]]
    control_planes = [when for when, what in joins if what["control_plane"]]
    assert min(workers) < max(control_planes)
    assert max(later - earlier for earlier, later in itertools.pairwise(workers)) < 2


def test_modules_are_synchronised_where_they_are_missing(datacenter):
    for server in datacenter.world.servers.values():
        server.code = None
    fleet = datacenter.fleet()
    assert datacenter.provision(fleet).ok
    synchronised = [call.server for call in fleet.calls if call.function == "saltutil.sync_all"]
    assert sorted(synchronised) == sorted(datacenter.world.servers)
    assert_converged(datacenter)


def test_added_workers_join_and_nothing_else_happens(datacenter):
    assert datacenter.provision().ok
    new = Datacenter(Shape(3, 10, spares=1)).world.servers["w-10"]
    datacenter.world.reinstall(new.id)
    report = datacenter.provision()
    assert report.ok
    assert {done.step.server for done in report.steps} <= {"w-10", "cp-1"}
    assert_converged(datacenter)
