"""A provision killed at every event of its run, on simulated servers, and run again: it ends the same."""

from __future__ import annotations

import pytest
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
LARGE = Shape(3, 10)
EVERY = 5  # of the large one's events: all of them take a minute
ATTEMPTS = 3


def events(shape: Shape) -> int:
    """Return how many events an undisturbed run has."""
    datacenter = Datacenter(shape)
    assert datacenter.provision().ok
    last = datacenter.world.clock.events
    assert_converged(datacenter)
    return last


def kill_at(shape: Shape, event: int) -> None:
    datacenter = Datacenter(shape)
    with pytest.raises(MasterCrashError):
        datacenter.provision(datacenter.fleet(dies_after=event))
    locks = [server.disk.lock["until"] for server in datacenter.world.servers.values() if server.disk.lock]
    if locks:
        datacenter.world.clock.advance(max(locks) - datacenter.world.now + 1)
    reports = datacenter.converge(ATTEMPTS)
    assert reports[-1].ok, f"killed at event {event}: {[report.to_dict() for report in reports]}"
    assert_converged(datacenter)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_killed_at_every_event_and_run_again(shape: Shape) -> None:
    for event in range(events(shape)):
        kill_at(shape, event)


def test_a_large_one_killed_at_some_events_and_run_again() -> None:
    for event in range(0, events(LARGE), EVERY):
        kill_at(LARGE, event)
