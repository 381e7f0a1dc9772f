"""The inventory of two datacenters, with what runs there outside clusters."""

from __future__ import annotations

from asking import LIAR, OUTSIDE, SERVERS
from lab_session import Lab


def test_the_inventory_knows_the_agents(sites: Lab, services: None) -> None:
    told = sites.run("k8s.inventory", check=False)["servers"]
    rows = {row["server"]: row for row in told if row["state"] == "answers"}
    assert {server: rows[server]["agent"] for server in SERVERS} == dict.fromkeys(SERVERS, "active")
    assert {server: rows[server]["highstate"] for server in (OUTSIDE, LIAR)} == {
        OUTSIDE: "ok",
        LIAR: "1 failed",
    }
    # The page of the service `inventory` is served on one of the two servers that register it.
    assert rows[OUTSIDE]["consul"] == "passing"
    assert rows[LIAR]["consul"] == "critical"
