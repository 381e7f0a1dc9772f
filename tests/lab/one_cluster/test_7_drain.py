"""A drain beside `kubectl drain` on the same cluster, and a drain that is cut off in the middle.

Volumes are hostPaths, and their VolumeAttachments are simulated: no CSI driver is built for the lab.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cuts
import pytest
import workloads
from lab_session import Lab, is_ready, wait_until

CONTROL_PLANE, NODE, OTHER = "dc1-cp-2", "dc1-w-1", "dc1-w-2"
HOLD = "k8s-lifecycle/hold"
STATIC = "/etc/kubernetes/manifests/lab-static.yaml"
BUDGET = 8
TABLE = Path("build/drain-comparison.md")

Manifests = list[dict[str, Any]]


@dataclass(frozen=True)
class Outcome:
    """How a drain ended: whether it says that it is done, and what the node is then.

    left: the workloads on it. attached: whether the volume still is.
    """

    done: bool
    cordoned: bool
    left: frozenset[str] = frozenset()
    attached: bool = False

    def __str__(self) -> str:
        words = ["done" if self.done else "not done", "cordoned" if self.cordoned else "open"]
        words += [f"left: {', '.join(sorted(self.left))}"] if self.left else []
        return ", ".join([*words, *(["volume still attached"] if self.attached else [])])


@dataclass(frozen=True)
class Case:
    """One workload, with the options of both drains, and how each must end. said: what ours must tell."""

    name: str
    manifests: Manifests
    kubectl: Outcome
    ours: Outcome
    options: tuple[str, ...] = ()
    said: str = ""
    volume: str = ""
    deleting: bool = False


DRAINED = Outcome(True, cordoned=True)
UNTOUCHED = Outcome(False, cordoned=False)
STUCK = {"finalizers": ["lab.example/never"]}
CASES = [
    Case(
        "budget, DaemonSet, finished Job, static pod, StatefulSet with a volume",
        [
            workloads.deployment("web", 2, prestop=3),
            workloads.budget("web", "web", 1),
            workloads.service("web"),
            workloads.daemon_set("agent"),
            workloads.finished_job("report"),
            *workloads.stateful_set("db", "lab-volume"),
        ],
        Outcome(True, cordoned=True, left=frozenset({"agent", "lab-static"}), attached=True),
        Outcome(True, cordoned=True, left=frozenset({"agent", "lab-static"})),
        volume="lab-volume",
    ),
    Case(
        "a pod under two budgets",
        [workloads.deployment("web"), workloads.budget("one", "web", 0), workloads.budget("two", "web", 0)],
        Outcome(False, cordoned=True, left=frozenset({"web"})),
        Outcome(False, cordoned=False, left=frozenset({"web"})),
        said="more than one budget selects it (one, two)",
    ),
    Case(
        "a budget that never allows",
        [workloads.deployment("web"), workloads.budget("web", "web", 1)],
        Outcome(False, cordoned=True, left=frozenset({"web"})),
        Outcome(False, cordoned=False, left=frozenset({"web"})),
        said="The disruption budget web needs 1 healthy pods and has 1 currently",
    ),
    Case(
        "a bare pod",
        [workloads.bare_pod("alone")],
        Outcome(False, cordoned=True, left=frozenset({"alone"})),
        Outcome(False, cordoned=False, left=frozenset({"alone"})),
        said="shop/alone: it has no controller",
    ),
    Case("a bare pod, by force", [workloads.bare_pod("alone")], DRAINED, DRAINED, options=("force",)),
    Case(
        "a pod with a finalizer that never ends",
        [workloads.bare_pod("stuck", **STUCK)],
        Outcome(False, cordoned=True, left=frozenset({"stuck"})),
        Outcome(False, cordoned=False, left=frozenset({"stuck"})),
        options=("force",),
        said="it is ending, held by its finalizers lab.example/never",
    ),
    Case(
        "a namespace that is being deleted",
        [workloads.deployment("web", prestop=6)],
        DRAINED,
        DRAINED,
        deleting=True,
    ),
]


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """The comparison, row by row; it is written to build/ in the end."""
    rows = ["| workload | `kubectl drain` | `k8s.drain` |", "|---|---|---|"]
    yield rows
    TABLE.write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_ends_as_well_as_kubectl_does_or_better(
    demo: Lab, provisioned: dict[str, Any], table: list[str], case: Case
) -> None:
    with ExitStack() as stack:
        stack.enter_context(running(demo, case))
        theirs = by_kubectl(demo, case)
        if case.kubectl.done:
            stack.close()
            stack.enter_context(running(demo, case))
        demo.kubectl(CONTROL_PLANE, "uncordon", NODE)
        probe = stack.enter_context(probing(demo, case))
        ours, said = by_ourselves(demo, case)
    table.append(f"| {case.name} | {theirs} | {ours} |")
    assert theirs == case.kubectl
    assert ours == case.ours, said
    assert case.said in said
    assert not probe.failures, f"{len(probe.failures)} of {probe.requests} requests failed"


def control_plane_minion(lab: Lab, run: cuts.Run) -> None:
    """The minion that evicts is killed: the run goes on through another control plane."""
    cuts.kill_minion(lab, "dc1-cp-1")
    said = run.communicate(timeout=cuts.ENDED)[0]
    cuts.restart_minion(lab, "dc1-cp-1")
    assert run.returncode == 0, said


@pytest.mark.parametrize(
    ("cut", "cordoned_before"),
    [(cuts.runner, False), (cuts.master, True), (control_plane_minion, True)],
    ids=["runner", "master", "control plane's minion"],
)
def test_cut_off_in_the_middle_and_run_again(
    demo: Lab, provisioned: dict[str, Any], cut: Callable[[Lab, cuts.Run], None], cordoned_before: bool
) -> None:
    with running(demo, Case("", [workloads.deployment("web", prestop=25)], DRAINED, DRAINED)):
        if cordoned_before:
            demo.kubectl(CONTROL_PLANE, "cordon", NODE)
        run = cuts.started(demo, f"drain {NODE}", "k8s.drain", NODE)
        wait_until(
            "a pod to be evicted",
            lambda: any("deletionTimestamp" in pod["metadata"] for pod in pods(demo)),
            60,
        )
        cut(demo, run)
        node = demo.nodes(CONTROL_PLANE)[NODE]
        assert node["spec"]["unschedulable"]
        assert HOLD in node["metadata"]["annotations"]
        assert demo.run("k8s.drain", NODE)["ok"]
        assert demo.run("k8s.drain", NODE)["steps"] == []
        assert outcome(demo, done=True) == DRAINED
        held = demo.run("k8s.status", "dc1-prod", check=False)["clusters"]["dc1-prod"]["servers"][NODE][
            "hold"
        ]
        assert (held["operation"], held["run"], held["was_cordoned"]) == ("drain", "", cordoned_before)
        assert demo.run("k8s.release", NODE)["ok"]
        after = demo.nodes(CONTROL_PLANE)[NODE]
        assert after["spec"].get("unschedulable", False) is cordoned_before
        assert HOLD not in after["metadata"].get("annotations", {})


@contextmanager
def running(lab: Lab, case: Case) -> Iterator[None]:
    """The workload of a case on the node that is to be drained; nothing of it is there afterwards."""
    lab.kubectl(CONTROL_PLANE, "cordon", OTHER)
    lab.apply(CONTROL_PLANE, workloads.namespace())
    lab.apply(CONTROL_PLANE, *case.manifests)
    if case.volume:
        lab.apply(CONTROL_PLANE, workloads.simulated_attachment(case.volume, NODE))
        lab("exec", NODE, "--", "sh", "-c", f"echo '{json.dumps(static_pod())}' >{STATIC}")
    try:
        wait_until("the workload to run", lambda: all_run(lab), 120)
        lab.kubectl(CONTROL_PLANE, "uncordon", OTHER)
        if case.deleting:
            lab.kubectl(CONTROL_PLANE, "delete", "namespace", workloads.NAMESPACE, "--wait=false")
        yield
    finally:
        clear(lab)


def clear(lab: Lab) -> None:
    lab("exec", NODE, "--", "rm", "-f", STATIC)
    lab.kubectl(CONTROL_PLANE, "annotate", "node", NODE, f"{HOLD}-")
    lab.kubectl(CONTROL_PLANE, "uncordon", NODE, OTHER)
    for pod in pods(lab):
        if pod["metadata"].get("finalizers"):
            name, patch = pod["metadata"]["name"], '{"metadata": {"finalizers": null}}'
            lab.kubectl(
                CONTROL_PLANE, "-n", workloads.NAMESPACE, "patch", "pod", name, "--type=merge", "-p", patch
            )
    lab.kubectl(CONTROL_PLANE, "delete", "namespace", workloads.NAMESPACE, "--ignore-not-found", "--force")
    lab.kubectl(CONTROL_PLANE, "delete", "pv,volumeattachments", "--all")


def static_pod() -> dict[str, Any]:
    return workloads.bare_pod("lab-static")


def by_kubectl(lab: Lab, case: Case) -> Outcome:
    options = [f"--{option}" for option in case.options]
    words = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "drain", NODE, "--ignore-daemonsets")
    with detaching(lab, case):
        said = lab("exec", CONTROL_PLANE, "--", *words, *options, f"--timeout={seconds(case)}s", check=False)
        return outcome(lab, said.returncode == 0)


def by_ourselves(lab: Lab, case: Case) -> tuple[Outcome, str]:
    options = [f"{option}=True" for option in case.options]
    with detaching(lab, case):
        words = (NODE, *options, f"timeout={seconds(case)}", "--out=json")
        report = lab.run("k8s.drain", *words, check=False)
        return outcome(lab, report["ok"]), json.dumps(report)


def seconds(case: Case) -> int:
    """How long a drain may take: where it must not end, no longer than it takes to see that."""
    return 90 if case.ours.done else BUDGET


def outcome(lab: Lab, done: bool) -> Outcome:
    node = lab.nodes(CONTROL_PLANE)[NODE]
    left = {
        pod["metadata"]["labels"].get("app", "") for pod in pods(lab) if pod["spec"].get("nodeName") == NODE
    }
    attached = json.loads(lab.kubectl(CONTROL_PLANE, "get", "volumeattachments", "-o", "json"))["items"]
    return Outcome(done, node["spec"].get("unschedulable", False), frozenset(left), bool(attached))


def pods(lab: Lab) -> Manifests:
    found = lab.kubectl(CONTROL_PLANE, "-n", workloads.NAMESPACE, "get", "pods", "-o", "json")
    return list(json.loads(found)["items"])


def all_run(lab: Lab) -> bool:
    """Whether every pod of the workload is Ready, or has finished."""
    found = pods(lab)
    return bool(found) and all(is_ready(pod) or pod["status"]["phase"] == "Succeeded" for pod in found)


@contextmanager
def detaching(lab: Lab, case: Case) -> Iterator[None]:
    """The simulated attacher: it detaches the volume some seconds after the last pod that goes is gone."""
    over = threading.Event()

    def detach() -> None:
        stay = {"agent", "lab-static"}
        while not over.is_set() and outcome(lab, done=False).left - stay:
            over.wait(1)
        over.wait(6)
        if not over.is_set():
            lab.kubectl(CONTROL_PLANE, "delete", "volumeattachment", f"simulated-{case.volume}", check=False)

    attacher = threading.Thread(target=detach)
    if case.volume:
        attacher.start()
    try:
        yield
    finally:
        over.set()
        if case.volume:
            attacher.join()


@dataclass
class Probe:
    """What asked a service for a page ten times a second has heard."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def probing(lab: Lab, case: Case) -> Iterator[Probe]:
    """Ask the case's service, if it has one, all the while."""
    probe = Probe()
    if not any(manifest["kind"] == "Service" for manifest in case.manifests):
        yield probe
        return
    where = ("-n", workloads.NAMESPACE, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    address = lab.kubectl(CONTROL_PLANE, *where)
    loop = (
        "while sleep 0.1; do curl --silent --fail --max-time 2 --output /dev/null http://$0/ "
        "&& echo ok || echo failed; done"
    )
    asking = lab.start("exec", CONTROL_PLANE, "--", "sh", "-c", loop, address)
    try:
        yield probe
    finally:
        lab("exec", CONTROL_PLANE, "--", "pkill", "-f", "while sleep 0.1", check=False)
        heard = asking.communicate(timeout=30)[0].split()
        probe.requests, probe.failures = len(heard), [word for word in heard if word != "ok"]
    assert probe.requests > 10
