"""Bare servers become a highly available cluster, and stay what they are."""

from __future__ import annotations

import json
from typing import Any

from lab_session import Lab, is_ready

CONTROL_PLANES = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3"]
WORKERS = ["dc1-w-1", "dc1-w-2"]


def test_every_node_is_ready(demo: Lab, provisioned: dict[str, Any]) -> None:
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


def test_three_etcd_members_vote(demo: Lab, provisioned: dict[str, Any]) -> None:
    said = demo("salt", "dc1-cp-2", "k8s_etcd.members", "--out=json", "--static").stdout
    members = json.loads(said)["dc1-cp-2"]["members"]
    assert sorted(member["name"] for member in members) == CONTROL_PLANES
    assert all(member["healthy"] and not member["learner"] for member in members)


def test_verify_finds_it_serving(demo: Lab, provisioned: dict[str, Any]) -> None:
    assert all(check["ok"] for check in demo.run("k8s.verify", "dc1-prod")["checks"])


def test_logs_and_exec_work_with_verified_kubelets(demo: Lab, provisioned: dict[str, Any]) -> None:
    pods = json.loads(
        demo.kubectl("dc1-cp-1", "-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-proxy", "-o", "json")
    )["items"]
    assert len(pods) == len(CONTROL_PLANES + WORKERS)
    for pod in pods:
        name = pod["metadata"]["name"]
        assert demo.kubectl("dc1-cp-1", "-n", "kube-system", "logs", "--tail=1", name)
        said = demo.kubectl("dc1-cp-1", "-n", "kube-system", "exec", name, "--", "kube-proxy", "--version")
        assert "v1.37.2" in said


def test_the_inventory_agrees_with_kubectl(demo: Lab, provisioned: dict[str, Any]) -> None:
    told = demo.run("k8s.inventory", "dc1-prod", check=False)["servers"]
    rows = {row["server"]: row for row in told}
    nodes = demo.nodes("dc1-cp-1")
    assert sorted(rows) == sorted([*nodes, "dc1-spare-1"])
    for name, node in nodes.items():
        info, addresses = node["status"]["nodeInfo"], node["status"]["addresses"]
        row = rows[name]
        assert (row["state"], row["node"], row["schedulable"]) == ("answers", "Ready", True)
        assert (f"v{row['kubelet']}", row["kernel"]) == (info["kubeletVersion"], info["kernelVersion"])
        assert {one["address"] for one in addresses if one["type"] == "InternalIP"} <= set(row["addresses"])
        assert row["certificate_days"] > 300
    assert (rows["dc1-spare-1"]["role"], rows["dc1-spare-1"]["node"]) == ("spare", "")
    assert [one for row in told for one in row["drift"] if one["severity"] == "critical"] == []
