"""A rotation whose master dies at every event, power cuts at every event, faults by chance. Simulated.

Certificates that have expired, and what kubeadm makes, are the real cluster's (tests/lab).
"""

import random
from functools import partial

import pytest
from simulator import fleet, sweep
from simulator.fleet import Fate, MasterCrashError
from simulator.modules import k8s_pki
from simulator.scenario import Datacenter, Shape

from k8s_lifecycle.action import certificates

AGAIN = "pytest tests/simulation/test_every_rotation.py -k '{}' --point POINT"
AGE = 3600.0
CONTROL_PLANES = ("cp-1", "cp-2", "cp-3")


def old_enough():
    """A cluster whose certificates are older than a rotation asks for."""
    datacenter = Datacenter(Shape(3, 1))
    assert datacenter.provision().ok
    datacenter.world.clock.advance(AGE)
    return datacenter


def assert_rotated(datacenter):
    began = AGE / 2
    for name in datacenter.spec.control_plane.servers:
        server = datacenter.world.servers[name]
        assert server.disk.leaves.issued > began, f"{name} was not renewed"
        assert not server.in_flux, f"{name} does not run with its new certificates"
        assert server.disk.leaves.staged is None


def assert_a_rotation_ends(datacenter):
    for _ in range(3):
        report = datacenter.rotate()
        if report.ok:
            break
        datacenter.outlive_locks()
    assert report.ok, report.to_dict()
    assert_rotated(datacenter)


def again(datacenter):
    datacenter.dead.add(f"run-{datacenter.runs}")
    datacenter.outlive_locks()
    report = datacenter.rotate()
    if report.locked_out:  # a renewal was still under way when the master died
        datacenter.outlive_locks()
        report = datacenter.rotate()
    return report


def crash(is_point):
    datacenter = old_enough()
    try:
        report = datacenter.rotate(datacenter.fleet(dies=is_point))
    except MasterCrashError:
        report = again(datacenter)
    assert report.ok, report.to_dict()
    assert_rotated(datacenter)


def cut(victim, is_point):
    """A server loses its power at the point; the run may fail then, and the next one ends it."""
    datacenter = old_enough()
    struck = []

    def strikes():
        if is_point():
            struck.append(victim)
            datacenter.properties.disturbed = True
            datacenter.world.cut(victim, back_after=20)
        return False

    datacenter.rotate(datacenter.fleet(dies=strikes))
    datacenter.world.clock.advance(120)
    assert_a_rotation_ends(datacenter)


def test_killed_at_any_event_and_run_again(point):
    found = sweep.everywhere(crash, point)
    sweep.assert_none(found, AGAIN.format("killed_at_any_event"))


@pytest.mark.parametrize("victim", ["cp-1", "cp-3"])
def test_a_server_loses_its_power_at_any_event(victim, point):
    found = sweep.everywhere(partial(cut, victim), point, 2)
    sweep.assert_none(found, AGAIN.format(f"loses_its_power and {victim}"))


def test_a_second_rotation_finds_nothing_to_do():
    datacenter = old_enough()
    assert datacenter.rotate().ok
    assert datacenter.rotate().steps == []


def test_a_component_that_does_not_come_back_stops_it_there():
    datacenter = old_enough()
    first = datacenter.world.servers["cp-1"]
    first.refuses_to_start = True
    report = datacenter.rotate()
    assert [done.step.server for done in report.steps] == ["cp-1"]
    assert "the certificates of before are back" in str(report.steps[0].failure)
    assert {datacenter.world.servers[name].disk.leaves.issued for name in CONTROL_PLANES} == {0.0}
    first.refuses_to_start = False
    assert datacenter.rotate().ok
    assert_rotated(datacenter)


def test_planted_a_rotation_that_does_not_look_whether_it_is_in_effect(monkeypatch):
    def nothing(*_):
        return
        yield

    monkeypatch.setattr(certificates, "take_effect", nothing)
    with pytest.raises(AssertionError, match="run with certificates from before"):
        old_enough().rotate()


def test_planted_a_renewal_that_forgets_what_it_has_made_ready(monkeypatch):
    monkeypatch.setattr(certificates.Pki, "stale", lambda self: [])
    found = sweep.everywhere(crash, stride=3)
    assert any("does not run with its new certificates" in text for text in found)


def play(datacenter, seed):
    """Masters die, answers are lost, servers lose their power; when that is over a rotation ends."""
    chance = random.Random(seed)
    datacenter.world.chance.seed(seed)
    datacenter.properties.disturbed = True
    losses = chance.choice((0.0, 0.05, 0.2))
    fates = lambda call: Fate(lost=chance.random() < losses)  # noqa: E731
    for _ in range(chance.choice((0, 1, 2))):
        victim, back = chance.choice(CONTROL_PLANES), chance.choice((5, 30, 120))
        datacenter.world.clock.spawn(_cut(datacenter.world, victim, back), after=chance.uniform(0, 150))
    for _ in range(chance.choice((1, 2, 3))):
        try:
            datacenter.rotate(datacenter.fleet(dies=fleet.after(chance.randrange(300)), fates=fates))
        except MasterCrashError:
            datacenter.dead.add(f"run-{datacenter.runs}")
            datacenter.outlive_locks()
    datacenter.world.clock.advance(600)
    assert_a_rotation_ends(datacenter)


def _cut(world, victim, back):
    world.cut(victim, back_after=back)
    return
    yield


def test_whatever_happens_every_control_plane_is_renewed_and_runs_with_it(request):
    seed, datacenter = request.config.getoption("--seed", default=None), old_enough()
    if seed is not None:
        play(datacenter, seed)
        return
    found = sweep.each(partial(play, datacenter), range(request.config.getoption("--seeds", default=150)))
    sweep.assert_none(found, "pytest tests/simulation/test_every_rotation.py --seed SEED")


def test_the_simulated_certificates_are_those_that_the_plan_reads():
    assert {"controller-manager.conf", "scheduler.conf"} <= k8s_pki.FILES.keys()
