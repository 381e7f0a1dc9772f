"""One provisioning cut off ten times, at other moments, of other parts: it ends the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from lab_session import Lab, is_ready, wait_until
from witness import Witness

CLUSTER = "dc1-prod"
CONTROL_PLANES = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3"]
WORKERS = ["dc1-w-1", "dc1-w-2"]
JOURNAL = f"/var/cache/salt/master/k8s/journal/{CLUSTER}.jsonl"
ENDED = 420

Run = subprocess.Popen[str]


def events(lab: Lab) -> list[tuple[str, str]]:
    """Return what the journal has of the cluster's runs: event and step."""
    said = lab("exec", "master", "--", "cat", JOURNAL, check=False)
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    return [(line["event"], line.get("step", "")) for line in lines]


def started(lab: Lab, step: str) -> Run:
    """Start a provision and return it once a step of it has started."""
    before = len(events(lab))
    run = lab.start("salt-run", "k8s.provision", CLUSTER)

    def has_started() -> bool:
        if run.poll() is not None:
            pytest.fail(f"it ended before {step}: {run.communicate()[0]}")
        return ("starts", step) in events(lab)[before:]

    wait_until(f"{step} to start", has_started, ENDED, every=0.3)
    return run


def kubeadm(lab: Lab, server: str) -> bool:
    return lab("exec", server, "--", "pgrep", "-f", "kubeadm (init|join)", check=False).returncode == 0


def members(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.salt("dc1-cp-1", "k8s_etcd.members")["members"]
    return found


def votes_while_it_joins(lab: Lab, server: str) -> bool:
    voters = [member["name"] for member in members(lab) if not member["learner"]]
    return server in voters and kubeadm(lab, server)


def runner(lab: Lab, run: Run) -> None:
    """The process that provisions is killed."""
    lab("exec", "master", "--", "pkill", "-KILL", "-f", "k8s.provision", check=False)
    run.communicate(timeout=30)


def master(lab: Lab, run: Run) -> None:
    """The master's power is cut."""
    lab("kill", "master")
    run.communicate(timeout=30)
    lab("start", "master")
    wait_until(
        "every minion is back",
        lambda: lab("salt", "*", "test.ping", "-t", "5", check=False).returncode == 0,
        120,
    )


def power(server: str) -> Callable[[Lab, Run], None]:
    """A server's power is cut, and comes back."""

    def cut(lab: Lab, run: Run) -> None:
        lab("kill", server)
        lab("start", server)
        said = run.communicate(timeout=ENDED)[0]
        assert run.returncode == 1, said
        wait_for_minion(lab, server)

    return cut


def minting_minion(lab: Lab, run: Run) -> None:
    """The minion of the only control plane that can mint is killed."""
    lab("exec", "dc1-cp-1", "--", "systemctl", "kill", "--signal=KILL", "salt-minion")
    said = run.communicate(timeout=ENDED)[0]
    assert run.returncode == 1, said
    lab("exec", "dc1-cp-1", "--", "systemctl", "restart", "salt-minion")
    wait_for_minion(lab, "dc1-cp-1")


def wait_for_minion(lab: Lab, server: str) -> None:
    wait_until(
        f"the minion of {server} answers",
        lambda: "True" in lab("salt", server, "test.ping", "-t", "5", check=False).stdout,
        120,
    )


@dataclass(frozen=True)
class Interruption:
    """Who is cut off, in the middle of which step, and when exactly."""

    whom: Callable[[Lab, Run], None]
    step: str
    when: Callable[[Lab], bool] = lambda lab: True
    name: str = ""


def at_work(server: str) -> Callable[[Lab], bool]:
    return lambda lab: kubeadm(lab, server)


# Each leaves its step to be done again, but for the last ones: a kubeadm goes on without its run.
INTERRUPTIONS = [
    Interruption(runner, "prepare dc1-cp-1", name="runner in prepare"),
    Interruption(power("dc1-cp-2"), "prepare dc1-cp-2", name="server in prepare"),
    Interruption(power("dc1-cp-1"), "init dc1-cp-1", at_work("dc1-cp-1"), "server in init"),
    Interruption(runner, "init dc1-cp-1", at_work("dc1-cp-1"), "runner in init"),
    Interruption(
        power("dc1-cp-2"), "join_control_plane dc1-cp-2", at_work("dc1-cp-2"), "control plane in join"
    ),
    Interruption(minting_minion, "join_control_plane dc1-cp-2", name="minting minion"),
    Interruption(
        power("dc1-cp-2"),
        "join_control_plane dc1-cp-2",
        lambda lab: votes_while_it_joins(lab, "dc1-cp-2"),
        "control plane that votes already",
    ),
    Interruption(master, "join_control_plane dc1-cp-3", at_work("dc1-cp-3"), "master in join"),
    Interruption(power("dc1-w-2"), "join_worker dc1-w-2", at_work("dc1-w-2"), "worker in join"),
    Interruption(runner, "join_worker dc1-w-2", at_work("dc1-w-2"), "runner in join"),
]


@pytest.mark.parametrize("cut", INTERRUPTIONS, ids=[cut.name for cut in INTERRUPTIONS])
def test_interrupted(demo: Lab, witness: Witness, cut: Interruption) -> None:
    run = started(demo, cut.step)
    wait_until(f"the moment to cut off the {cut.name}", lambda: cut.when(demo), 120, every=0.2)
    cut.whom(demo, run)
    if cut.name == "control plane that votes already":
        verbs = {step["verb"] for step in steps(demo.run("k8s.plan", CLUSTER, check=False), "dc1-cp-2")}
        assert "finish_join" in verbs
        assert not verbs & {"reset", "remove_learner", "remove_member"}


def steps(plan: dict[str, Any], server: str) -> list[dict[str, Any]]:
    return [step for wave in plan["waves"] for step in wave["steps"] if step["server"] == server]


def test_of_two_runs_at_once_the_second_names_the_first(demo: Lab) -> None:
    run = started(demo, "settle dc1-w-1")
    second = demo.run("k8s.provision", CLUSTER, check=False)
    said = run.communicate(timeout=ENDED)[0]
    assert run.returncode == 0, said
    assert second["retcode"] == 4
    assert "held by provision " in second["failure"]


def test_run_again_it_is_the_same_cluster(demo: Lab) -> None:
    demo.run("k8s.provision", CLUSTER)
    nodes = demo.nodes("dc1-cp-2")
    assert sorted(nodes) == sorted(CONTROL_PLANES + WORKERS)
    assert all(is_ready(node) for node in nodes.values())
    assert demo.run("k8s.plan", CLUSTER)["waves"] == []


def test_it_is_one_etcd_cluster_without_a_learner(demo: Lab) -> None:
    told = [demo.salt(server, "k8s_etcd.members")["members"] for server in CONTROL_PLANES]
    seen = [sorted((one["name"], one["id"], one["learner"]) for one in members) for members in told]
    assert [(name, learner) for name, _, learner in seen[0]] == [(name, False) for name in CONTROL_PLANES]
    assert seen[0] == seen[1] == seen[2]


def test_nothing_is_left_of_the_interrupted_runs(demo: Lab) -> None:
    secrets = demo.kubectl("dc1-cp-1", "-n", "kube-system", "get", "secrets", "-o", "name")
    assert "bootstrap-token" not in secrets
    for server in CONTROL_PLANES + WORKERS:
        units = demo("exec", server, "--", "systemctl", "list-units", "--plain", "--no-legend", "k8s-*")
        assert " running " not in units.stdout
        assert "k8s-approver" not in units.stdout
        left = demo("exec", server, "--", "find", "/run/k8s-lifecycle", "-name", "*.key", check=False).stdout
        assert not left
    assert [demo.salt(server, "k8s_lock.held") for server in CONTROL_PLANES] == [None, None, None]
