"""Bugs planted in the real code, or in a server's behaviour: the simulation must catch each of them.

A simulation that finds nothing may be blind: each test breaks something and plays a scenario in which it
matters.
"""

import dataclasses

import pytest
from simulator.fleet import Fate
from simulator.modules import k8s_kubeadm
from simulator.scenario import Datacenter, Shape, assert_converged
from simulator.stage import Part, Stage

from k8s_lifecycle.action import etcd_gate, lock, steps
from k8s_lifecycle.action import provision as provisioning
from k8s_lifecycle.action.run import Failure
from k8s_lifecycle.decision import condition, provision
from k8s_lifecycle.decision.condition import Condition
from k8s_lifecycle.decision.plan import Wave

THREE = Shape(3, 0, schedulable=True)


def nothing(*_, **__):
    return
    yield


def when(datacenter, event, server, act):
    """Do something once, when the world tells of an event at a server."""
    done = []

    def told(name, what):
        if name == event and server in (what.get("server"), what.get("node")) and not done:
            done.append(name)
            act()

    datacenter.world.listeners.append(told)


def cut_cp_2_before_cp_4_joins():
    datacenter = Datacenter(Shape(5, 0))
    when(datacenter, "registered", "cp-3", lambda: datacenter.world.cut("cp-2", back_after=60))
    report = datacenter.provision()
    datacenter.world.clock.advance(120)
    assert report.ok or datacenter.converge(attempts=2)[-1].ok
    assert_converged(datacenter, after=200)


def cp_1_falls_silent_after_init():
    datacenter = Datacenter(THREE)
    when(datacenter, "registered", "cp-1", lambda: datacenter.world.silence("cp-1", 400))
    datacenter.provision()
    datacenter.world.clock.advance(200)
    datacenter.provision()
    datacenter.world.clock.advance(400)
    assert datacenter.converge(attempts=2)[-1].ok


def a_voter_does_not_come_up_again():
    datacenter = Datacenter(THREE)
    world = datacenter.world

    def tear():
        world.servers["cp-3"].disk.torn.add("bootstrap_token")
        world.cut("cp-3", back_after=20)

    when(datacenter, "promoted", "cp-3", tear)
    datacenter.provision()
    world.clock.advance(60)
    assert datacenter.converge(attempts=2)[-1].ok


def an_answer_is_lost():
    datacenter = Datacenter(THREE)
    fates = lambda call: Fate(lost=call.function == "k8s_kubeadm.join")  # noqa: E731
    datacenter.provision(datacenter.fleet(fates=fates))
    assert datacenter.converge(attempts=2)[-1].ok


def somebody_runs_kubeadm_by_hand():
    datacenter = Datacenter(THREE)
    server = datacenter.world.servers["cp-1"]
    k8s_kubeadm.start(datacenter.world, server, "config", iter_seconds(300))
    assert datacenter.converge(attempts=2)[-1].ok


def iter_seconds(seconds):
    yield seconds


def a_frozen_run_wakes_up():
    datacenter = Datacenter(Shape(3, 2))
    late = 35 + lock.SECONDS + 5
    parts = [Part(datacenter.provision, frozen=(35, late + 20)), Part(datacenter.provision, begins=late)]
    Stage(datacenter.world, parts).play()


def two_runs():
    datacenter = Datacenter(Shape(3, 2))
    parts = [Part(datacenter.provision), Part(datacenter.provision, begins=30)]
    Stage(datacenter.world, parts).play()


SCENARIOS = [
    cut_cp_2_before_cp_4_joins,
    cp_1_falls_silent_after_init,
    a_voter_does_not_come_up_again,
    an_answer_is_lost,
    somebody_runs_kubeadm_by_hand,
    a_frozen_run_wakes_up,
    two_runs,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_without_a_bug_the_scenario_is_fine(scenario):
    scenario()


def test_skipped_etcd_gate(monkeypatch):
    monkeypatch.setattr(etcd_gate, "wait_until_whole", nothing)
    with pytest.raises(AssertionError, match="etcd was not whole at any moment since that step began"):
        cut_cp_2_before_cp_4_joins()


def test_init_twice(monkeypatch):
    monkeypatch.setattr(provision, "_refusals_without_cluster", lambda *_: [])
    with pytest.raises(AssertionError, match=r"several CAs are alive|two etcd clusters were founded"):
        cp_1_falls_silent_after_init()


def test_reset_of_a_voter(monkeypatch):
    """Three things keep a voter from being reset; all of them are broken here."""
    real = condition._control_plane

    def forgetful(spec, view, server):
        found = real(spec, view, server)
        return Condition.LEFTOVER if found is Condition.UNFINISHED_VOTER else found

    def blind(run, step):
        return
        yield

    monkeypatch.setattr(condition, "_control_plane", forgetful)
    monkeypatch.setattr(etcd_gate, "member_of", blind)
    with pytest.raises(AssertionError, match="the data of cp-3 was wiped, and etcd counts on it"):
        a_voter_does_not_come_up_again()


def test_silence_taken_for_failure(monkeypatch):
    def hasty(run, step, answer, tried, becomes=steps.JOINED):
        if not answer.ok:
            raise Failure(step.server, tried, answer.error, "run again")
        return
        yield

    monkeypatch.setattr(steps, "_judge", hasty)
    with pytest.raises(AssertionError, match="was called failed on silence"):
        an_answer_is_lost()


def test_kubeadm_started_while_another_runs(monkeypatch):
    """The plan does not wait for it, and the server does not refuse it."""
    monkeypatch.setattr(provision, "_waits", lambda *_, **__: Wave("wait for what is running", ()))
    monkeypatch.setattr(k8s_kubeadm, "_refuse_if_running", lambda here: None)
    with pytest.raises(AssertionError, match="kubeadm init and config run on cp-1 at once"):
        somebody_runs_kubeadm_by_hand()


def test_fencing_switched_off(monkeypatch):
    admit = k8s_kubeadm.fencing.admit

    def careless(world, here, number):
        here.disk.fence = 0
        admit(world, here, number)

    monkeypatch.setattr(k8s_kubeadm.fencing, "admit", careless)
    with pytest.raises(AssertionError, match="though run 2 has the lock"):
        a_frozen_run_wakes_up()


def test_lock_not_taken(monkeypatch):
    monkeypatch.setattr(lock, "_held", lambda run, answers: True)
    monkeypatch.setattr(lock, "_taken", lambda answers: False)
    with pytest.raises(AssertionError):
        two_runs()


def test_a_step_that_no_plan_names(monkeypatch):
    def eager(run, step):
        yield from steps.forget_node(run, dataclasses.replace(step, server="w-1"))

    monkeypatch.setattr(provisioning, "VERBS", {**provisioning.VERBS, "network_addon": eager})
    with pytest.raises(AssertionError, match="the plan does not name it"):
        Datacenter(Shape(1, 2)).provision()
