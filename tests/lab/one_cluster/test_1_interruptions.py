"""One provisioning cut off ten times, at other moments, of other parts: it ends the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cuts
import pytest
from cuts import ENDED, Run
from lab_session import Lab, change_spec, is_ready, wait_until
from witness import Witness

CLUSTER = "dc1-prod"
CONTROL_PLANES = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3"]
WORKERS = ["dc1-w-1", "dc1-w-2"]
# Asks etcd until it has the member of this name, and that is no learner.
VOTES = """
cd /etc/kubernetes/pki/etcd
until curl --silent --max-time 2 --cacert ca.crt --cert server.crt --key server.key \\
        --data '{}' https://127.0.0.1:2379/v3/cluster/member/list |
    tr '{' '\\n' | grep "\\"name\\":\\"$0\\"" | grep --quiet --invert-match isLearner
do sleep 0.05; done
"""


def at_work(server: str) -> Callable[[Lab], bool]:
    return lambda lab: bool(lab.processes(server, "kubeadm (init|join)"))


def votes_while_it_joins(lab: Lab) -> bool:
    """Wait until dc1-cp-2 is an etcd member that is no learner; whether kubeadm is still at work on it."""
    lab("exec", "dc1-cp-1", "--", "sh", "-c", VOTES, "dc1-cp-2", timeout=120)
    return at_work("dc1-cp-2")(lab)


def has_asked_for_its_admission(lab: Lab) -> bool:
    """Whether dc1-cp-2 has made its key: the next thing is that the control plane mints."""
    keys = (
        f"/proc/{pid}/root/run/k8s-lifecycle/admission.key"
        for pid in lab.processes("dc1-cp-2", "salt-minion")
    )
    return any(Path(key).exists() for key in keys)


def power(server: str, *, stays_off: bool = False) -> Callable[[Lab, Run], None]:
    """A server's power is cut, and comes back: at once, or when the run has given it up."""

    def cut(lab: Lab, run: Run) -> None:
        lab("kill", server)
        if not stays_off:
            lab("start", server)
        said = run.communicate(timeout=ENDED)[0]
        assert run.returncode == 1, said
        lab("start", server)
        lab.wait_for_minions(server)

    return cut


def minting_minion(lab: Lab, run: Run) -> None:
    """The minion of the only control plane that can mint is killed."""
    cuts.kill_minion(lab, "dc1-cp-1")
    said = run.communicate(timeout=ENDED)[0]
    assert run.returncode == 1, said
    cuts.restart_minion(lab, "dc1-cp-1")


@dataclass(frozen=True)
class Interruption:
    """Who is cut off, in the middle of which step, and when exactly. pool: the workers from then on."""

    whom: Callable[[Lab, Run], None]
    step: str
    when: Callable[[Lab], bool] = lambda lab: True
    name: str = ""
    pool: tuple[str, ...] = ()


INTERRUPTIONS = [
    Interruption(cuts.runner, "prepare dc1-cp-1", name="runner in prepare"),
    Interruption(power("dc1-cp-2"), "prepare dc1-cp-2", name="server in prepare"),
    Interruption(power("dc1-cp-1"), "init dc1-cp-1", at_work("dc1-cp-1"), "server in init"),
    Interruption(cuts.runner, "init dc1-cp-1", at_work("dc1-cp-1"), "runner in init"),
    Interruption(
        power("dc1-cp-2"), "join_control_plane dc1-cp-2", at_work("dc1-cp-2"), "control plane in join"
    ),
    Interruption(
        minting_minion, "join_control_plane dc1-cp-2", has_asked_for_its_admission, "minting minion"
    ),
    Interruption(
        power("dc1-cp-2"),
        "join_control_plane dc1-cp-2",
        votes_while_it_joins,
        "control plane that votes already",
    ),
    Interruption(cuts.master, "join_control_plane dc1-cp-3", at_work("dc1-cp-3"), "master in join"),
    # A worker joins within two seconds: it stays off until the run has given it up.
    Interruption(
        power("dc1-w-2", stays_off=True),
        "join_worker dc1-w-2",
        at_work("dc1-w-2"),
        "worker in join",
        pool=("dc1-w-*",),
    ),
    Interruption(cuts.runner, "settle dc1-w-2", name="runner in settle"),
]


@pytest.fixture(scope="module", autouse=True)
def _one_worker_at_first(own: Path) -> None:
    """Workers join beside the control planes: one is named later, to join when its turn comes here."""
    change_spec(own, CLUSTER, "pools.general.servers", ["dc1-w-1"])


@pytest.mark.parametrize("cut", INTERRUPTIONS, ids=[cut.name for cut in INTERRUPTIONS])
def test_interrupted(demo: Lab, own: Path, witness: Witness, cut: Interruption) -> None:
    if cut.pool:
        change_spec(own, CLUSTER, "pools.general.servers", list(cut.pool))
    run = cuts.started(demo, cut.step, "k8s.provision", CLUSTER)
    wait_until(f"the moment to cut off the {cut.name}", lambda: cut.when(demo), 120, every=0.05)
    cut.whom(demo, run)
    if cut.name == "control plane that votes already":
        wait_until("the API to answer again", lambda: "wait_api" not in planned(demo, "dc1-cp-2"), 120)
        verbs = planned(demo, "dc1-cp-2")
        assert "finish_join" in verbs
        assert not verbs & {"reset", "remove_learner", "remove_member"}


def planned(lab: Lab, server: str) -> set[str]:
    """What the next provision would do with a server."""
    plan = lab.run("k8s.plan", CLUSTER, check=False)
    return {step["verb"] for wave in plan["waves"] for step in wave["steps"] if step["server"] == server}


def test_of_two_runs_at_once_the_second_names_the_first(demo: Lab) -> None:
    run = cuts.started(demo, "settle dc1-w-2", "k8s.provision", CLUSTER)
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
