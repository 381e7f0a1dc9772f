"""Bare servers become a highly available cluster, and stay what they are."""

from __future__ import annotations

import json

import pytest
from lab_session import Lab, is_ready, wait_until

CONTROL_PLANES = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3"]
WORKERS = ["dc1-w-1", "dc1-w-2"]
# A worker has no curl; the Python that Salt brings asks as well.
ASK = """
import ssl, urllib.request
urllib.request.urlopen(
    "https://api.dc1-prod.lab:8443/readyz", timeout=2, context=ssl._create_unverified_context()
)
"""


@pytest.fixture(scope="module")
def planned(demo: Lab) -> dict:
    """The plan on bare servers."""
    return demo.run("k8s.plan", "dc1-prod", check=False)


@pytest.fixture(scope="module")
def provisioned(demo: Lab, planned: dict) -> dict:
    """The report of the provision that follows that plan."""
    return demo.run("k8s.provision", "dc1-prod")


def steps(plan: dict) -> list[tuple[str, str]]:
    return [(step["verb"], step["server"]) for wave in plan["waves"] for step in wave["steps"]]


def test_provision_does_what_the_plan_listed(planned: dict, provisioned: dict) -> None:
    did = [(step["verb"], step["server"]) for step in provisioned["steps"]]
    assert planned["retcode"] == 1
    assert sorted(did) == sorted(steps(planned))


def test_every_node_is_ready(demo: Lab, provisioned: dict) -> None:
    nodes = demo.nodes("dc1-cp-1")
    assert sorted(nodes) == sorted(CONTROL_PLANES + WORKERS)
    assert all(is_ready(node) for node in nodes.values())
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes.values()} == {"v1.37.2"}
    assert not [
        taint
        for node in nodes.values()
        for taint in node["spec"].get("taints", [])
        if "startup" in taint["key"]
    ]


def test_three_etcd_members_vote(demo: Lab, provisioned: dict) -> None:
    said = demo("salt", "dc1-cp-2", "k8s_etcd.members", "--out=json", "--static").stdout
    members = json.loads(said)["dc1-cp-2"]["members"]
    assert sorted(member["name"] for member in members) == CONTROL_PLANES
    assert all(member["healthy"] and not member["learner"] for member in members)


def test_verify_finds_it_serving(demo: Lab, provisioned: dict) -> None:
    assert all(check["ok"] for check in demo.run("k8s.verify", "dc1-prod")["checks"])


def test_then_there_is_nothing_to_do(demo: Lab, provisioned: dict) -> None:
    assert demo.run("k8s.plan", "dc1-prod")["waves"] == []
    assert demo.run("k8s.provision", "dc1-prod")["steps"] == []
    assert demo.run("k8s.status", "dc1-prod")["clusters"]["dc1-prod"]["healthy"]


def test_logs_and_exec_work_with_verified_kubelets(demo: Lab, provisioned: dict) -> None:
    pods = json.loads(
        demo.kubectl("dc1-cp-1", "-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-proxy", "-o", "json")
    )["items"]
    assert len(pods) == len(CONTROL_PLANES + WORKERS)
    for pod in pods:
        name = pod["metadata"]["name"]
        assert demo.kubectl("dc1-cp-1", "-n", "kube-system", "logs", "--tail=1", name)
        said = demo.kubectl("dc1-cp-1", "-n", "kube-system", "exec", name, "--", "kube-proxy", "--version")
        assert "v1.37.2" in said


def answers(lab: Lab, server: str) -> bool:
    return (
        lab("exec", server, "--", "/opt/saltstack/salt/bin/python3", "-c", ASK, check=False).returncode == 0
    )


def test_the_virtual_address_survives_its_holders_power_cut(demo: Lab, provisioned: dict) -> None:
    assert answers(demo, "dc1-w-1")
    holder = next(
        server
        for server in CONTROL_PLANES
        if "10.11.0.100/" in demo("exec", server, "--", "ip", "-4", "addr").stdout
    )
    demo("kill", holder)
    wait_until("the API answers on the virtual address", lambda: answers(demo, "dc1-w-1"), 15, every=0.2)
    demo("start", holder)
    wait_until(
        "the cluster is healthy again",
        lambda: demo.run("k8s.status", "dc1-prod", check=False)["retcode"] == 0,
        180,
        every=5,
    )
