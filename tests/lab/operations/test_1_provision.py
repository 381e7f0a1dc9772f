"""Bare servers become a cluster by what the plan listed, and not while a control plane is silent."""

from __future__ import annotations

from typing import Any

from lab_session import Lab

CLUSTER = "dc1-prod"


def test_a_silent_control_plane_means_no_init(demo: Lab) -> None:
    demo("freeze", "dc1-cp-3")
    try:
        refused = demo.run("k8s.provision", CLUSTER, check=False)
    finally:
        demo("thaw", "dc1-cp-3")
    assert refused["retcode"] == 2
    assert "dc1-cp-3 did not answer" in refused["refusals"][0]
    assert refused["steps"] == []


def test_provision_does_what_the_plan_listed(demo: Lab) -> None:
    planned = demo.run("k8s.plan", CLUSTER, check=False)
    did = [(step["verb"], step["server"]) for step in demo.run("k8s.provision", CLUSTER)["steps"]]
    assert planned["retcode"] == 1
    assert sorted(did) == sorted(steps(planned))


def steps(plan: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["verb"], step["server"]) for wave in plan["waves"] for step in wave["steps"]]
