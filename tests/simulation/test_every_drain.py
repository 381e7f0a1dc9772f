"""A drain whose master dies at every event, and what else happens to drains. Simulated.

The pods are those of deployments with budgets; volumes and odd pods are the real cluster's (tests/lab).
"""

import random
from functools import partial

import pytest
from simulator import fleet, sweep
from simulator.fleet import Fate, MasterCrashError
from simulator.modules import k8s_hold
from simulator.objects import App
from simulator.scenario import Datacenter, Shape

from k8s_lifecycle.action import holding
from k8s_lifecycle.model.hold import DRAIN

AGAIN = "pytest tests/simulation/test_every_drain.py -k '{}' --point POINT"
NODES = ("w-1", "w-2")


def with_pods(cordoned=()):
    """A cluster with pods on its four workers; some nodes were cordoned by a person."""
    datacenter = Datacenter(Shape(3, 4))
    assert datacenter.provision().ok
    datacenter.world.deploy("web", App(replicas=6, needed=5))
    datacenter.world.deploy("db", App(replicas=3, needed=2, grace=20))
    datacenter.world.clock.advance(30)
    cordon(datacenter, cordoned)
    return datacenter


def cordon(datacenter, names):
    for name in names:
        datacenter.properties.cordoned.add(name)
        node(datacenter, name).unschedulable = True


def node(datacenter, name):
    (cluster,) = datacenter.world.etcds
    return cluster.objects.nodes[name]


def pods(datacenter, name):
    (cluster,) = datacenter.world.etcds
    return datacenter.world.pods_on(cluster.objects, name)


def assert_drained(datacenter, *names, cordoned=()):
    for name in names:
        hold = node(datacenter, name).hold
        assert (hold.operation, hold.run, hold.was_cordoned) == (DRAIN, "", name in cordoned)
        assert node(datacenter, name).unschedulable
        assert pods(datacenter, name) == []


def crash(cordoned, is_point):
    """Drain with a master that dies at the point, and once more, knowing that the first run is dead."""
    datacenter = with_pods(cordoned)
    try:
        report = datacenter.drain(NODES, datacenter.fleet(dies=is_point))
    except MasterCrashError:
        datacenter.dead.add(f"run-{datacenter.runs}")
        datacenter.outlive_locks()
        report = datacenter.drain(NODES)
        if report.locked_out:  # a renewal was still under way when the master died
            datacenter.outlive_locks()
            report = datacenter.drain(NODES)
    assert report.ok, report.to_dict()
    assert_drained(datacenter, *NODES, cordoned=cordoned)


def elsewhere(is_point):
    """The first run was another master's: nothing is known of it until its holds expire."""
    datacenter = with_pods()
    try:
        datacenter.drain(NODES, datacenter.fleet(dies=is_point), timeout=60)
    except MasterCrashError:
        datacenter.outlive_locks()
        datacenter.world.clock.advance(300)
    report = datacenter.drain(NODES)
    assert report.ok, report.to_dict()
    assert_drained(datacenter, *NODES)


@pytest.mark.parametrize("cordoned", [(), ("w-2",)], ids=["open", "cordoned-before"])
def test_killed_at_any_event_and_run_again(cordoned, point):
    found = sweep.everywhere(partial(crash, cordoned), point, 2)
    sweep.assert_none(found, AGAIN.format("killed_at_any_event"))


def test_the_drain_of_another_master_is_taken_over_when_its_holds_have_expired(point):
    found = sweep.everywhere(elsewhere, point, 5)
    sweep.assert_none(found, AGAIN.format("another_master"))


def test_a_second_drain_finds_nothing_to_do():
    datacenter = with_pods()
    assert datacenter.drain(NODES).ok
    again = datacenter.drain(NODES)
    assert again.ok
    assert again.steps == []


def test_a_budget_that_never_allows_gives_the_node_back_as_it_was():
    datacenter = with_pods(cordoned=("w-2",))
    (cluster,) = datacenter.world.etcds
    cluster.objects.apps["web"].needed = 6
    report = datacenter.drain(NODES, timeout=60)
    assert not report.ok
    assert "shop/web" in str(report.steps[-1].failure)
    assert [node(datacenter, name).hold for name in NODES] == [None, None]
    assert [node(datacenter, name).unschedulable for name in NODES] == [False, True]


def test_the_control_plane_that_evicts_loses_its_power():
    datacenter = with_pods()
    world = datacenter.world
    struck = []

    def told(event, what):
        if event == "evicted" and not struck:
            struck.append(event)
            world.clock.spawn(cut())

    def cut():
        world.cut("cp-1", back_after=60)
        return
        yield

    world.listeners.append(told)
    assert datacenter.drain(NODES).ok
    assert_drained(datacenter, *NODES)


def test_planted_a_hold_that_forgets_what_the_node_was_before(monkeypatch):
    monkeypatch.setattr(k8s_hold, "taken", lambda found, wanted, *_: wanted)
    datacenter = with_pods()
    with pytest.raises(MasterCrashError):
        datacenter.drain(NODES, datacenter.fleet(dies=lambda: node(datacenter, "w-2").unschedulable))
    datacenter.dead.add(f"run-{datacenter.runs}")
    datacenter.outlive_locks()
    assert datacenter.drain(NODES).ok
    with pytest.raises(AssertionError):
        assert_drained(datacenter, *NODES)


def test_planted_a_drain_that_gives_nothing_back(monkeypatch):
    def nothing(*_):
        return "the node is as it was before"
        yield

    monkeypatch.setattr(holding, "give_back_one", nothing)
    monkeypatch.setattr(holding, "give_back", nothing)
    with pytest.raises(AssertionError):
        test_a_budget_that_never_allows_gives_the_node_back_as_it_was()


def play(datacenter, seed):
    """Answers are lost, masters die, a server is cut off; when that is over a drain ends."""
    chance = random.Random(seed)
    datacenter.world.chance.seed(seed)
    cordoned = chance.choice([(), ("w-1",), ("w-2",)])
    cordon(datacenter, cordoned)
    losses = chance.choice((0.0, 0.05, 0.2))
    fates = lambda call: Fate(lost=chance.random() < losses)  # noqa: E731
    if chance.random() < 0.5:
        victim = chance.choice(sorted(datacenter.world.servers))
        when, back = chance.uniform(0, 60), chance.choice((5, 60, 200))
        datacenter.world.clock.spawn(_cut(datacenter.world, victim, back), after=when)
    for _ in range(chance.choice((1, 2, 3))):
        dies = fleet.after(chance.randrange(400))
        try:
            datacenter.drain(NODES, datacenter.fleet(dies=dies, fates=fates), timeout=120)
        except MasterCrashError:
            datacenter.dead.add(f"run-{datacenter.runs}")
            datacenter.outlive_locks()
    datacenter.world.clock.advance(400)
    for _ in range(3):
        report = datacenter.drain(NODES)
        if report.ok:
            break
        datacenter.outlive_locks()
    assert report.ok, report.to_dict()
    assert_drained(datacenter, *NODES, cordoned=cordoned)


def _cut(world, victim, back):
    world.cut(victim, back_after=back)
    return
    yield


def test_whatever_happens_the_nodes_are_drained_and_owned(request):
    seed, datacenter = request.config.getoption("--seed", default=None), with_pods()
    if seed is not None:
        play(datacenter, seed)
        return
    found = sweep.each(partial(play, datacenter), range(request.config.getoption("--seeds", default=150)))
    sweep.assert_none(found, "pytest tests/simulation/test_every_drain.py --seed SEED")
