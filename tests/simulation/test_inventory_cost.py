"""What an inventory of 300 servers costs: one call to each, all at once, whoever is silent."""

from dataclasses import replace

import pytest
from fleet_of_many import GKE
from simulator.fleet import SILENCE_SECONDS
from simulator.scenario import Datacenter, Shape

from k8s_lifecycle.action.inventory import Survey, take
from k8s_lifecycle.action.scheduler import Scheduler
from k8s_lifecycle.decision.inventory import Choice
from k8s_lifecycle.decision.inventory_files import Files
from k8s_lifecycle.model.datacenters import Datacenters
from k8s_lifecycle.model.external import Access, Externals
from k8s_lifecycle.model.spec import Catalogue

SERVERS = 300
SILENT = ("w-7", "w-200", "cp-1")
ELSEWHERE = replace(GKE, access=Access(minion="nobody", kubeconfig="/etc/gke.conf"))


@pytest.fixture(scope="module")
def datacenter():
    """A cluster of three, and servers of its pool that wait to join."""
    found = Datacenter(Shape(3, 0))
    assert found.provision().ok
    found.grow(Shape(3, SERVERS - 3))
    return found


def taken(datacenter, *, external=None, **choice):
    """The inventory, the calls that it made, and the seconds that it took."""
    fleet, began = datacenter.fleet(), datacenter.world.now
    survey = Survey(
        Files(
            Catalogue(None, {datacenter.spec.name: datacenter.spec}),
            Externals(external or {}),
            Datacenters(None),
        ),
        dict.fromkeys(datacenter.world.servers, "accepted"),
        lambda servers: {},
        Choice(**choice),
        clock=lambda: datacenter.world.today,
        code="simulated",
    )
    return Scheduler(fleet).run(take(survey)), fleet.calls, datacenter.world.now - began


def test_each_server_is_asked_once_and_all_at_once(datacenter):
    found, calls, seconds = taken(datacenter)
    assert sorted(call.server for call in calls) == sorted(datacenter.world.servers)
    assert {call.function for call in calls} == {"k8s_server.inventory"}
    assert len({repr(call.arguments) for call in calls}) == 1, "they would be several jobs"
    assert seconds < 2
    assert len(found.rows) == SERVERS
    assert [row.server for row in found.rows if row.node == "Ready"] == ["cp-1", "cp-2", "cp-3"]
    assert {row.drift[0].kind for row in found.rows if not row.node} == {"membership"}


def test_silent_servers_cost_one_patience_together(datacenter):
    world = datacenter.world
    for name in SILENT:
        world.servers[name].silent = True
    try:
        found, calls, seconds = taken(datacenter, external={GKE.name: ELSEWHERE})
    finally:
        for name in SILENT:
            world.servers[name].silent = False
    assert len(calls) == SERVERS + 1
    assert seconds <= SILENCE_SECONDS
    states = {row.server: row.state for row in found.rows}
    assert sorted(name for name, state in states.items() if state == "silent") == sorted(SILENT)
    assert found.rows[0].server == "cp-1"
    assert next(row for row in found.rows if row.server == "cp-2").node == "Ready"
    assert found.clusters[1].drift[0].what.startswith("its API says nothing: nobody: k8s_api.overview")


def test_servers_of_old_code_are_told_and_left_alone(datacenter):
    datacenter.world.servers["w-9"].code = None
    try:
        found, calls, _ = taken(datacenter)
    finally:
        datacenter.world.servers["w-9"].code = "simulated"
    assert len(calls) == SERVERS
    row = next(row for row in found.rows if row.server == "w-9")
    assert (row.state, row.drift[0].kind) == ("failed", "code")


def test_an_inventory_of_some_asks_only_those_and_who_tells_of_their_nodes(datacenter):
    found, calls, _ = taken(datacenter, role="control-plane")
    assert sorted(call.server for call in calls) == ["cp-1", "cp-2", "cp-3"]
    assert len(found.rows) == 3
