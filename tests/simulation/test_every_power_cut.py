"""The power of a server fails at every event of a provision and comes back; the next runs end it. Simulated.

Cut are the server that initialises or joins, and the one that mints while others join. What was just written
may be torn.
"""

from contextlib import contextmanager
from functools import partial

import pytest
from simulator import sweep
from simulator.scenario import Datacenter, Shape, assert_converged
from simulator.world import BOOT_SECONDS

ATTEMPTS = 4
AGAIN = "pytest tests/simulation/test_every_power_cut.py -k '{}' --point POINT"
SOON, LATE = 20.0, 150.0  # back while the run still waits, back when it has given up

CASES = [
    (Shape(1, 0), "cp-1", SOON),
    (Shape(1, 2), "cp-1", LATE),
    (Shape(1, 2), "w-1", SOON),
    (Shape(3, 2), "cp-1", SOON),
    (Shape(3, 2), "cp-2", SOON),
    (Shape(3, 2), "cp-2", LATE),
]


@contextmanager
def cut(datacenter, victim, back, is_point):
    """Cut a server at the point, if that comes in here."""
    world = datacenter.world

    def watch():
        if is_point():
            world.chance.seed(world.clock.events)
            world.cut(victim, back_after=back)

    world.clock.after_changes.append(watch)
    yield
    world.clock.after_changes.remove(watch)


def provision_with_cut(datacenter, victim, back, is_point):
    with cut(datacenter, victim, back, is_point):
        datacenter.provision()
    datacenter.world.clock.advance(back + BOOT_SECONDS)
    report = datacenter.converge(ATTEMPTS)[-1]
    assert report.ok, report.to_dict()
    assert_converged(datacenter, after=2 * LATE)


def cut_while_provisioning(shape, victim, back, is_point):
    provision_with_cut(Datacenter(shape, tears=True), victim, back, is_point)


def with_learner():
    """A datacenter in which cp-2 was cut in the middle of its join: a learner, to be removed and reset."""
    datacenter = Datacenter(Shape(3, 0, schedulable=True))
    cp_2 = datacenter.world.servers["cp-2"]
    with cut(datacenter, "cp-2", SOON, lambda: cp_2.boots == 1 and cp_2.disk.etcd_member is not None):
        assert not datacenter.provision().ok
    datacenter.world.clock.advance(60)
    assert "remove_learner cp-2" in map(str, datacenter.plan().steps)
    return datacenter


def cut_while_resetting(victim, is_point):
    provision_with_cut(with_learner(), victim, SOON, is_point)


@pytest.mark.parametrize(("shape", "victim", "back"), CASES, ids=str)
def test_cut_at_any_event(shape, victim, back, point):
    found = sweep.everywhere(partial(cut_while_provisioning, shape, victim, back), point)
    sweep.assert_none(found, AGAIN.format(f"cut_at_any_event and {shape} and {victim}"))


@pytest.mark.parametrize("victim", ["cp-1", "cp-2"])
def test_cut_at_any_event_of_a_reset(victim, point):
    found = sweep.everywhere(partial(cut_while_resetting, victim), point)
    sweep.assert_none(found, AGAIN.format(f"of_a_reset and {victim}"))


def test_a_learner_that_never_started_is_known_by_its_address():
    datacenter = Datacenter(Shape(3, 0, schedulable=True))
    etcds, cp_2 = datacenter.world.etcds, datacenter.world.servers["cp-2"]
    with cut(
        datacenter, "cp-2", SOON, lambda: cp_2.boots == 1 and bool(etcds) and len(etcds[0].members) == 2
    ):
        assert not datacenter.provision().ok
    assert [(member.name, member.learner) for member in etcds[0].members] == [("cp-1", False), ("", True)]
    datacenter.world.clock.advance(60)
    assert datacenter.converge(ATTEMPTS)[-1].ok
    assert_converged(datacenter)


def test_a_voter_whose_kubelet_was_torn_is_finished_while_no_api_answers():
    datacenter = Datacenter(Shape(3, 0, schedulable=True))
    etcds, cp_2 = datacenter.world.etcds, datacenter.world.servers["cp-2"]

    def voted():
        if cp_2.boots > 1 or not etcds or len(etcds[0].voters) == 1:
            return False
        cp_2.disk.torn.add("bootstrap_token")
        return True

    with cut(datacenter, "cp-2", SOON, voted):
        assert not datacenter.provision().ok
    datacenter.world.clock.advance(60)
    assert "finish_join cp-2" in map(str, datacenter.plan().steps)
    assert datacenter.world.endpoint("sha256:ca-1") is None
    assert datacenter.converge(ATTEMPTS)[-1].ok
    assert_converged(datacenter)
