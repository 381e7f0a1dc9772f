"""Servers that come back damaged, or with an empty disk."""

from __future__ import annotations

from typing import Any

from lab_session import Lab

CLUSTER = "dc1-prod"
CONTROL_PLANES = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3"]


def test_a_package_that_a_power_cut_left_half_unpacked_is_installed_again(
    demo: Lab, provisioned: dict[str, Any]
) -> None:
    torn = "/^Package: conntrack$/,/^$/s/^Status: .*/Status: install reinstreq unpacked/"
    demo("exec", "dc1-spare-1", "--", "sed", "-i", torn, "/var/lib/dpkg/status")
    assert "conntrack" in demo("exec", "dc1-spare-1", "--", "dpkg", "--audit").stdout
    states = demo.salt("dc1-spare-1", "state.apply", "k8s.server", "queue=True")
    assert [state["__id__"] for state in states.values() if not state["result"]] == []
    assert demo("exec", "dc1-spare-1", "--", "dpkg", "--audit").stdout == ""


def test_the_first_control_plane_comes_back_with_an_empty_disk(
    demo: Lab, provisioned: dict[str, Any]
) -> None:
    demo("reinstall", "dc1-cp-1")
    plan = demo.run("k8s.plan", CLUSTER, check=False)
    verbs = [step["verb"] for wave in plan["waves"] for step in wave["steps"] if step["server"] == "dc1-cp-1"]
    assert verbs == ["preflight", "remove_member", "prepare", "join_control_plane", "settle"]
    demo.run("k8s.provision", CLUSTER)
    members = demo.salt("dc1-cp-1", "k8s_etcd.members")["members"]
    assert sorted(member["name"] for member in members) == CONTROL_PLANES
    assert demo.run("k8s.status", CLUSTER)["clusters"][CLUSTER]["healthy"]


def test_all_control_planes_reinstalled_under_living_workers_are_refused(
    demo: Lab, provisioned: dict[str, Any]
) -> None:
    for server in CONTROL_PLANES:
        demo("reinstall", server)
    refused = demo.run("k8s.provision", CLUSTER, check=False)
    assert refused["retcode"] == 2
    assert refused["steps"] == []
    assert "dc1-w-1, dc1-w-2 still hold the credentials of a cluster" in refused["refusals"][0]
    assert "restore them from the back-up" in refused["refusals"][0]
    for server in CONTROL_PLANES:
        assert demo("exec", server, "--", "ls", "/etc/kubernetes", check=False).returncode
