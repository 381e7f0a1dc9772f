"""A provisioning cut off again and again, at other moments and of other parts: it ends the same."""

from __future__ import annotations

import json
import subprocess

import pytest
from lab_session import Lab, is_ready, wait_until

CLUSTER = "dc2-prod"
CONTROL_PLANE, WORKER = "dc2-cp-1", "dc2-w-1"


def events(lab: Lab) -> list[tuple[str, str]]:
    """Return what the journal has of the cluster's runs: event and step."""
    said = lab(
        "exec", "master", "--", "cat", f"/var/cache/salt/master/k8s/journal/{CLUSTER}.jsonl", check=False
    )
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    return [(line["event"], line.get("step", "")) for line in lines]


def started(lab: Lab, step: str) -> subprocess.Popen[str]:
    """Start a provision and return it once a step of it has started."""
    before = len(events(lab))
    run = lab.start("salt-run", "k8s.provision", CLUSTER)

    def has_started() -> bool:
        if run.poll() is not None:
            pytest.fail(f"it ended before {step}: {run.communicate()[0]}")
        return ("starts", step) in events(lab)[before:]

    wait_until(f"{step} to start", has_started, 240, every=0.3)
    return run


def kill_runner(lab: Lab, run: subprocess.Popen[str]) -> None:
    lab("exec", "master", "--", "pkill", "-KILL", "-f", "k8s.provision", check=False)
    run.wait(30)


def wait_for_minion(lab: Lab, server: str) -> None:
    wait_until(
        f"the minion of {server} answers",
        lambda: "True" in lab("salt", server, "test.ping", "-t", "5", check=False).stdout,
        120,
    )


def test_two_runs_at_once_the_second_names_the_first(demo: Lab) -> None:
    run = started(demo, f"prepare {WORKER}")
    second = demo.run("k8s.provision", CLUSTER, check=False)
    assert second["retcode"] == 4
    assert "held by provision " in second["failure"]
    kill_runner(demo, run)


def test_the_runner_is_killed_in_the_middle_of_init(demo: Lab) -> None:
    wait_until("the lock of the killed run to expire", lambda: not lock(demo), 150, every=3)
    run = started(demo, f"init {CONTROL_PLANE}")
    kill_runner(demo, run)
    waits = demo.run("k8s.plan", CLUSTER, check=False)
    assert [step["verb"] for wave in waits["waves"] for step in wave["steps"]] in (
        ["wait_kubeadm"],
        ["wait_api"],
    )


def lock(lab: Lab) -> bool:
    said = lab("salt", CONTROL_PLANE, "k8s_lock.held", "--out=json", "--static", check=False).stdout
    return bool(json.loads(said).get(CONTROL_PLANE)) if said.strip() else True


def test_the_control_plane_loses_power_in_the_middle_of_init(demo: Lab) -> None:
    demo("kill", CONTROL_PLANE)
    demo("start", CONTROL_PLANE)
    wait_for_minion(demo, CONTROL_PLANE)


def test_the_worker_loses_power_in_the_middle_of_its_join(demo: Lab) -> None:
    wait_until("the lock of the killed run to expire", lambda: not lock(demo), 150, every=3)
    run = started(demo, f"join_worker {WORKER}")
    demo("kill", WORKER)
    said = run.communicate(timeout=400)[0]
    assert run.returncode == 1, said
    demo("start", WORKER)
    wait_for_minion(demo, WORKER)


def test_run_again_it_is_the_same_cluster(demo: Lab) -> None:
    demo.run("k8s.provision", CLUSTER)
    nodes = demo.nodes(CONTROL_PLANE)
    assert sorted(nodes) == [CONTROL_PLANE, WORKER]
    assert all(is_ready(node) for node in nodes.values())
    assert demo.run("k8s.plan", CLUSTER)["waves"] == []
    secrets = demo.kubectl(CONTROL_PLANE, "-n", "kube-system", "get", "secrets", "-o", "name")
    assert "bootstrap-token" not in secrets


def test_a_silent_control_plane_changes_nothing_about_its_cluster(demo: Lab) -> None:
    demo("freeze", CONTROL_PLANE)
    try:
        refused = demo.run("k8s.provision", CLUSTER, check=False)
    finally:
        demo("thaw", CONTROL_PLANE)
    assert refused["retcode"] == 2
    assert f"{CONTROL_PLANE} did not answer" in refused["refusals"][0]
    assert refused["steps"] == []
