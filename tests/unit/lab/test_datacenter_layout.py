"""What a layout may say, and what is said about one that says something else."""

from pathlib import Path

import pytest
import yaml
from datacenter import layout
from datacenter.errors import LabError
from datacenter.paths import LAYOUTS

MINIMAL = {
    "datacenters": {"dc1": "10.11.0.0/24"},
    "servers": {"dc1-cp-1": {"datacenter": "dc1", "address": "10.11.0.11"}},
}


def changed(**keys: object) -> dict:
    return {**MINIMAL, **keys}


def with_server(name: str, **values: object) -> dict:
    server = {"datacenter": "dc1", "address": "10.11.0.21", **values}
    return changed(servers={**MINIMAL["servers"], name: server})


def parsed(document: object) -> layout.Layout:
    return layout.parse(document, Path("lab.yaml"))


def refusal(document: object) -> str:
    with pytest.raises(LabError) as refused:
        parsed(document)
    return str(refused.value)


@pytest.mark.parametrize("file", sorted(LAYOUTS.glob("*.yaml")), ids=lambda file: file.stem)
def test_layouts_of_the_lab_are_valid(file: Path) -> None:
    assert layout.load(file).minions


def test_master_and_mirror_are_always_there() -> None:
    found = parsed(MINIMAL)
    assert list(found.servers) == ["master", "mirror", "dc1-cp-1"]
    assert [server.id for server in found.minions] == ["dc1-cp-1"]
    assert found.gateway(found.servers["dc1-cp-1"]) == "10.11.0.1"
    assert found.log_level_logfile == "debug"


def test_pending_server_is_not_among_those_that_answer() -> None:
    assert [server.id for server in parsed(with_server("new", pending=True)).minions] == ["dc1-cp-1"]


def test_paths_are_relative_to_the_layout(tmp_path: Path) -> None:
    (tmp_path / "pillar").mkdir()
    (tmp_path / "layouts").mkdir()
    file = tmp_path / "layouts" / "lab.yaml"
    file.write_text(yaml.safe_dump(changed(pillar="../pillar")))
    assert layout.load(file).pillar == tmp_path / "pillar"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "it is a NoneType"),
        ({}, "datacenters: missing or empty"),
        (changed(servers={}), "servers: missing or empty"),
        (changed(colour="red"), "colour: unknown; known are datacenters"),
        (changed(pillar="nowhere"), "pillar: "),
        (changed(log_level_logfile="loud"), "log_level_logfile: 'loud'; write one of error"),
        (changed(names={"api": "here"}), "names.api: 'here' is no IPv4 address"),
        (changed(datacenters={"hub": "10.11.0.0/24"}), "datacenters.hub: the hub is always there"),
        (changed(datacenters={"DC 1": "10.11.0.0/24"}), "datacenters.DC 1: it names a bridge"),
        (changed(datacenters={"dc1": "10.11.0.5"}), "10.11.0.5/32 is too small"),
        (changed(datacenters={"dc1": "ten"}), "datacenters.dc1: 'ten' is no IPv4 network"),
        (changed(datacenters={"dc1": "10.11.0.0/28"}), "10.11.0.0/28 is too small"),
        (changed(datacenters={"dc1": "10.10.0.0/16"}), "overlaps hub's"),
        (changed(datacenters={"dc1": "10.11.0.0/24", "dc2": "10.11.0.0/16"}), "overlaps dc1's"),
        (with_server("master"), "servers.master: always there by itself"),
        (with_server("Worker_1"), "servers.Worker_1: it names a host and an interface"),
        (with_server("a-name-too-long"), "servers.a-name-too-long: it names a host and an interface"),
        (with_server("new", role="boss"), "servers.new.role: 'boss'; write one of control-plane"),
        (with_server("new", color="red"), "servers.new.color: unknown"),
        (with_server("new", pending="later"), "servers.new.pending: 'later'; write true or false"),
        (with_server("new", datacenter="dc9"), "servers.new.datacenter: 'dc9'; declared are hub, dc1"),
        (with_server("new", address="10.12.0.1"), "servers.new.address: '10.12.0.1' is not in dc1's"),
        (
            with_server("new", address="10.11.0.1"),
            "servers.new.address: 10.11.0.1 is the network's, the router's",
        ),
        (with_server("new", address="10.11.0.105"), "10.11.0.105 is kept for virtual addresses"),
        (with_server("new", address="10.11.0.11"), "servers: 2 servers have the address 10.11.0.11"),
        (changed(servers={"new": {}}), "servers.new.address: missing"),
        (changed(servers={"new": "10.11.0.11"}), "servers.new: write a mapping"),
    ],
)
def test_mistakes_are_named_with_their_path(document: object, said: str) -> None:
    assert said in refusal(document)


def test_all_mistakes_of_one_kind_are_reported_at_once() -> None:
    assert "2 mistake(s)" in refusal(with_server("new", role="boss", address="10.11.0.100"))


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"none\.yaml: No such file"):
        layout.load(tmp_path / "none.yaml")


def test_added_server_is_checked_against_the_others() -> None:
    twin = layout.Server("twin", "dc1", "10.11.0.11")
    with pytest.raises(LabError, match="2 servers have the address"):
        parsed(MINIMAL).with_server(twin)
