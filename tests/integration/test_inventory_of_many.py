"""The inventory of 300 simulated minions on a real master: complete, and no slower than two test.ping."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fleet_of_many import CLUSTERS
from swarm.site import Swarm, swarm

SERVERS = 300


@pytest.fixture(scope="module")
def many() -> Iterator[Swarm]:
    with swarm(SERVERS) as found:
        yield found


def test_all_are_there_and_as_they_should_be(many: Swarm) -> None:
    _, text = many.seconds("salt-run", "k8s.inventory", "--out=json")
    found = json.loads(text)
    assert [row["server"] for row in found["servers"] if row["state"] != "answers" or row["drift"]] == []
    assert len(found["servers"]) == SERVERS
    nodes = {one["name"]: (one["nodes"], one["ready"]) for one in found["clusters"]}
    quarter = SERVERS // 4
    assert nodes == {name: (quarter, quarter) for name, *_ in CLUSTERS}


def test_it_takes_at_most_twice_as_long_as_a_ping(many: Swarm) -> None:
    inventory, ping = many.medians(rounds=3)
    assert inventory / ping < 2, f"{inventory:.1f} s, and {ping:.1f} s for test.ping"
