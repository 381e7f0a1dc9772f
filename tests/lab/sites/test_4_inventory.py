"""The inventory of two datacenters, with what runs there outside clusters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from asking import LIAR, OUTSIDE, PROMETHEUS, SERVERS
from lab_session import Lab

NEW, NEVER = "dc1-x-3", "dc1-x-9"


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


def test_what_a_datacenters_file_asks_for_and_is_not_there_is_told(
    sites: Lab, own: Path, services: None
) -> None:
    before = sites.drift("dc1")
    assert {server for server, kind, _ in before if kind in ("agent", "consul", "no key")} == {LIAR}
    with another_file(own), another_server(sites), sites.another_grain(LIAR, "datacenter", "dc1", "dc2"):
        told = sites.drift("dc1")
    assert told - before == {
        (NEW, "agent", "dc1 has node_exporter on all its servers, and it has none"),
        (NEW, "consul", "dc1 has Consul on all its servers, and it has none"),
        (NEW, "highstate", "no highstate was ever noted on it"),
        (NEVER, "no key", "dc1 names it, and the master has no key of it"),
        (PROMETHEUS["dc1"], "consul", "not in Consul, as dc1 asks for: batch"),
        (LIAR, "grain", "its grain datacenter is dc2, and dc1 names it"),
    }
    assert before - told == set()
    assert sites.drift("dc1") == before


@contextmanager
def another_file(own: Path) -> Iterator[None]:
    """The file of dc1 names a server that never came, and a service that no highstate has registered."""
    path = own.parent / "pillar/datacenters/dc1.yaml"
    before = path.read_text()
    spec = yaml.safe_load(before)
    spec["servers"].append(NEVER)
    batch = {"servers": [PROMETHEUS["dc1"]], "port": 8000, "check": {"tcp": "127.0.0.1:8000"}}
    spec["consul"]["services"]["batch"] = batch
    path.write_text(yaml.safe_dump(spec))
    try:
        yield
    finally:
        path.write_text(before)


@contextmanager
def another_server(lab: Lab) -> Iterator[None]:
    """A server that dc1 allows, and that has never been converged."""
    lab("add", NEW, "--datacenter", "dc1", "--environment", "prod", "--address", "10.11.0.43")
    lab.salt(NEW, "saltutil.sync_all")
    try:
        yield
    finally:
        lab("kill", NEW)
        lab("salt-key", "--yes", f"--delete={NEW}")
