"""Servers join by themselves, whoever is cut off at whichever event: they ask until they have. Simulated."""

from functools import partial

import pytest
from simulator import sweep
from simulator.fleet import MasterCrashError
from simulator.scenario import Datacenter, Shape, assert_converged
from simulator.self_join import Master, begin_to_ask
from simulator.world import BOOT_SECONDS

from k8s_lifecycle.action import joins

NEW = ("w-2", "w-3")
STRANGER = "z-1"
BACK = 20.0
PATIENCE = 3600.0  # pauses between two asks last for a quarter of an hour at most
AGAIN = "pytest tests/simulation/test_every_self_join.py -k '{}' --point POINT"


def datacenter():
    """A cluster, two servers that its pool allows and one that no pool does; each asks to join."""
    found = Datacenter(Shape(3, 1))
    assert found.provision().ok
    for name in (*NEW, STRANGER):
        found.world.add(name)
        begin_to_ask(found, found.world.servers[name], startup_states=name != "w-3")
    return found


def settled(found):
    """Whether the new servers are nodes and were told so, and the stranger was told why it is none."""
    new = [found.world.servers[name].disk for name in NEW]
    stranger = found.world.servers[STRANGER].disk.ask
    joined = all(disk.kubelet_conf and disk.ask is None for disk in new)
    return joined and stranger is not None and stranger.answer != ""


def assert_joined(found):
    assert settled(found), {name: found.world.servers[name].disk.ask for name in NEW}
    assert_converged(found, after=200)
    stranger = found.world.servers[STRANGER].disk
    assert stranger.version is None
    assert stranger.ask.answer.startswith("refused: no pool of any cluster allows the id z-1")


def crash(knows, is_point):
    """A master that dies, and a new one; whether it knows that the run of the old one is dead."""
    found = datacenter()
    try:
        Master(found, dies=is_point).serve(partial(settled, found), PATIENCE)
    except MasterCrashError:
        if not knows:
            found.dead.clear()
        found.world.clock.advance(5)
        Master(found).serve(partial(settled, found), PATIENCE)
    assert_joined(found)


def kill_run(is_point):
    found = datacenter()
    Master(found, run_dies=is_point).serve(partial(settled, found), PATIENCE)
    assert_joined(found)


def cut(victim, is_point):
    """A power cut, once every new server has asked: before that there is only a highstate to run again."""
    found = datacenter()
    world = found.world
    asked = set()

    def watch():
        asked.update(name for name in NEW if world.servers[name].disk.ask)
        if len(asked) == len(NEW) and is_point():
            world.cut(victim, back_after=BACK)

    world.clock.after_changes.append(watch)
    Master(found).serve(partial(settled, found), PATIENCE)
    world.clock.after_changes.remove(watch)
    world.clock.advance(BACK + BOOT_SECONDS)
    Master(found).serve(partial(settled, found), PATIENCE)
    assert_joined(found)


CASES = {
    "the master dies": partial(crash, True),
    "the master dies and another one goes on": partial(crash, False),
    "the run is killed": kill_run,
    "power of a server that asks again at its boot": partial(cut, "w-2"),
    "power of a server that asks by its schedule alone": partial(cut, "w-3"),
    "power of the control plane that mints": partial(cut, "cp-1"),
}


@pytest.mark.parametrize("how", CASES)
def test_cut_off_at_any_event(how, point):
    sweep.assert_none(sweep.everywhere(CASES[how], point), AGAIN.format(how))


def test_servers_that_ask_together_are_joined_by_one_run():
    found = datacenter()
    before = found.runs
    Master(found).serve(partial(settled, found), PATIENCE)
    assert_joined(found)
    assert found.runs - before == 1 + 1  # and the look at what is left to do


def test_a_server_that_is_told_too_early_that_it_joined_is_noticed(monkeypatch):
    """A planted bug: whatever became of the join, the server hears that it has joined, and asks no more."""
    monkeypatch.setattr(joins, "_failure", lambda report, server: "")
    found = datacenter()
    world = found.world

    def told(event, what):
        if event == "joins" and what["server"] == "w-3":
            world.clock.spawn(power_cut(), after=1)

    def power_cut():
        world.cut("w-3", back_after=BACK)
        return
        yield

    world.listeners.append(told)
    Master(found).serve(partial(settled, found), PATIENCE)
    with pytest.raises(AssertionError, match="w-3"):
        assert_joined(found)
