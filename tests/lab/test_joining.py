"""New servers join by their own highstate, with nobody typing anything, whatever restarts in the middle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lab_session import Lab, change_spec, is_ready, own_layout, wait_until, without_datacenters

CLUSTER, CONTROL_PLANE = "dc2-prod", "dc2-cp-1"
RUNNING, NEWER = "1.36.3", "1.37.2"
ENOUGH = 240


@pytest.fixture(scope="module")
def built(built: Lab) -> Lab:
    return built.named("joining")


@pytest.fixture(scope="module")
def site(built: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cluster of one control plane, and a newer version in its pillar."""
    layout = without_datacenters(own_layout("joining", tmp_path_factory.mktemp("joining")))
    change_spec(layout, CLUSTER, "kubernetes.version", RUNNING)
    with built.up(layout):
        built.run("k8s.provision", CLUSTER)
        change_spec(layout, CLUSTER, "kubernetes.version", NEWER)
        yield built


def add(lab: Lab, server: str, number: int, role: str = "worker") -> None:
    place = ("--datacenter", "dc2", "--environment", "prod", "--address", f"10.12.0.{number}")
    lab("add", server, *place, "--role", role, "--pool", "general")


def wait_for_nodes(lab: Lab, *servers: str) -> None:
    def ready() -> bool:
        nodes = lab.nodes(CONTROL_PLANE)
        return all(server in nodes and is_ready(nodes[server]) for server in servers)

    wait_until(f"{', '.join(servers)} to be Ready", ready, ENOUGH)


def wait_until_settled(lab: Lab, *servers: str) -> None:
    """Wait until the servers ask no more: the run that joined them has told them so."""
    for server in servers:
        wait_until(f"{server} to ask no more", lambda server=server: not asks(lab, server), ENOUGH)


def asks(lab: Lab, server: str) -> bool:
    said: bool = lab.salt(server, "k8s_node.standing")["asks"]
    return said


def joined(lab: Lab, server: str) -> dict[str, Any]:
    """The result of the state k8s-joined in a highstate."""
    states = lab.salt(server, "state.highstate", "queue=True")
    return next(state for state in states.values() if state["__id__"] == "k8s-joined")


def runs(lab: Lab) -> list[dict[str, Any]]:
    """The runs that the engine started, from the journal."""
    journal = "/var/cache/salt/master/k8s/journal"
    lines = lab("exec", "master", "--", "cat", f"{journal}/{CLUSTER}.jsonl").stdout.splitlines()
    return [
        said for line in lines if (said := json.loads(line))["event"] == "begins" and "join" in said["holder"]
    ]


def test_a_new_server_joins_with_the_version_of_the_running_cluster(site: Lab) -> None:
    add(site, "dc2-w-1", 21)
    wait_for_nodes(site, "dc2-w-1")
    wait_until_settled(site, "dc2-w-1")
    node = site.nodes(CONTROL_PLANE)["dc2-w-1"]
    assert node["status"]["nodeInfo"]["kubeletVersion"] == f"v{RUNNING}"
    assert node["metadata"]["labels"]["lab/pool"] == "general"
    assert not node["spec"].get("taints")


def test_its_highstate_has_nothing_to_do_then(site: Lab) -> None:
    states = site.salt("dc2-w-1", "state.highstate")
    assert {state["__id__"] for state in states.values() if state["changes"]} == set()
    assert site.salt("dc2-w-1", "schedule.list", "return_yaml=False") in ({}, {"schedule": {}})


def test_servers_that_ask_together_are_joined_by_one_run(site: Lab) -> None:
    before = len(runs(site))
    add(site, "dc2-w-2", 22)
    add(site, "dc2-w-3", 23)
    for server in ("dc2-w-2", "dc2-w-3"):
        site.salt(server, "k8s_node.ask", "now=True")
    wait_for_nodes(site, "dc2-w-2", "dc2-w-3")
    wait_until_settled(site, "dc2-w-2", "dc2-w-3")
    assert len(runs(site)) - before <= 2


def test_a_server_that_no_pool_allows_is_refused(site: Lab) -> None:
    add(site, "dc2-db-1", 31)
    state = joined(site, "dc2-db-1")
    assert state["result"] is False
    assert "no pool of any cluster allows the id dc2-db-1" in state["comment"]
    assert (
        "dc2-db-1 asks to join, and is refused"
        in site("exec", "master", "--", "cat", "/var/log/salt/master").stdout
    )


def test_a_grain_makes_no_control_plane(site: Lab) -> None:
    add(site, "dc2-w-9", 29, role="control-plane")
    state = joined(site, "dc2-w-9")
    assert state["result"] is False
    assert "its grain k8s_role claims control-plane" in state["comment"]
    assert "dc2-w-9" not in site.nodes(CONTROL_PLANE)


@pytest.mark.parametrize(
    ("victim", "server", "number"), [("master", "dc2-w-4", 24), ("dc2-w-5", "dc2-w-5", 25)]
)
def test_a_power_cut_in_the_middle_of_a_join_only_delays_it(
    site: Lab, victim: str, server: str, number: int
) -> None:
    add(site, server, number)
    wait_until("its kubeadm", lambda: site.processes(server, "kubeadm join"), ENOUGH, every=0.05)
    site("kill", victim)
    site("start", victim)
    wait_for_nodes(site, server)
    wait_until_settled(site, server)
