"""A drain beside `kubectl drain` on the same cluster, and a drain that is cut off in the middle.

Volumes are hostPaths, and their VolumeAttachments are simulated: no CSI driver is built for the lab.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import cuts
import pytest
import workloads
from lab_session import ROOT, Lab, is_ready, wait_until

CONTROL_PLANE, NODE, OTHER = "dc1-cp-2", "dc1-w-1", "dc1-w-2"
HOLD = "k8s-lifecycle/hold"
STATIC = "/etc/kubernetes/manifests/lab-static.yaml"
BUDGET = 5
DOCUMENTED = ROOT / "docs/operations/drain.md"

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
        words = ["done" if self.done else "not done"]
        words += ["node left cordoned" if self.cordoned else "node given back"] if not self.done else []
        words += [f"there still: {', '.join(sorted(self.left))}"] if self.left else []
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

    def __str__(self) -> str:
        return f"| {self.name} | {self.kubectl} | {self.ours} | {self.said} |"


DRAINED = Outcome(True, cordoned=True)
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
        said="/alone: it has no controller",
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


@dataclass(frozen=True)
class Shop:
    """A workload that runs in a namespace of its own."""

    lab: Lab
    case: Case
    namespace: str

    @property
    def volume(self) -> str:
        return f"{self.namespace}-{self.case.volume}"

    def pods(self) -> Manifests:
        found = self.lab.kubectl(CONTROL_PLANE, "-n", self.namespace, "get", "pods", "-o", "json")
        return list(json.loads(found)["items"])

    def runs(self) -> bool:
        """Whether every pod is Ready, or has finished."""
        found = self.pods()
        return bool(found) and all(is_ready(pod) or pod["status"]["phase"] == "Succeeded" for pod in found)

    def left(self) -> frozenset[str]:
        """What of it is on the node still."""
        here = (pod for pod in self.pods() if pod["spec"].get("nodeName") == NODE)
        return frozenset(pod["metadata"]["labels"].get("app", "") for pod in here)

    def outcome(self, done: bool) -> Outcome:
        found = self.lab.kubectl(CONTROL_PLANE, "get", "volumeattachments", "-o", "name")
        cordoned = self.lab.nodes(CONTROL_PLANE)[NODE]["spec"].get("unschedulable", False)
        return Outcome(done, cordoned, self.left(), bool(self.case.volume) and self.volume in found)


NAMESPACES = itertools.count(1)


@contextmanager
def running(lab: Lab, case: Case) -> Iterator[Shop]:
    """The workload of a case on the node that is to be drained; afterwards it goes, and the node is open."""
    shop = Shop(lab, case, f"shop-{next(NAMESPACES)}")
    lab.kubectl(CONTROL_PLANE, "cordon", OTHER)
    lab.apply(CONTROL_PLANE, *workloads.placed(case.manifests, shop.namespace))
    if case.volume:
        (static,) = workloads.placed([workloads.bare_pod("lab-static")], shop.namespace)[1:]
        lab.apply(CONTROL_PLANE, workloads.simulated_attachment(shop.volume, NODE))
        lab("exec", NODE, "--", "sh", "-c", f"echo '{json.dumps(static)}' >{STATIC}")
    try:
        wait_until("the workload to run", shop.runs, 120)
        lab.kubectl(CONTROL_PLANE, "uncordon", OTHER)
        if case.deleting:
            lab.kubectl(CONTROL_PLANE, "delete", "namespace", shop.namespace, "--wait=false")
        yield shop
    finally:
        clear(shop)


def clear(shop: Shop) -> None:
    lab = shop.lab
    lab("exec", NODE, "--", "rm", "-f", STATIC)
    lab.kubectl(CONTROL_PLANE, "annotate", "node", NODE, f"{HOLD}-")
    lab.kubectl(CONTROL_PLANE, "uncordon", NODE, OTHER)
    for pod in shop.pods():
        if pod["metadata"].get("finalizers"):
            what = (
                "pod",
                pod["metadata"]["name"],
                "--type=merge",
                "-p",
                '{"metadata": {"finalizers": null}}',
            )
            lab.kubectl(CONTROL_PLANE, "-n", shop.namespace, "patch", *what)
    gone = ("--ignore-not-found", "--wait=false")
    lab.kubectl(CONTROL_PLANE, "delete", "namespace", shop.namespace, *gone)
    lab.kubectl(CONTROL_PLANE, "delete", "pv,volumeattachments", "--all", *gone[1:])


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_it_ends_as_well_as_kubectl_does_or_better(
    demo: Lab, provisioned: dict[str, Any], case: Case
) -> None:
    with ExitStack() as stack:
        shop = stack.enter_context(running(demo, case))
        theirs = by_kubectl(shop)
        if case.kubectl.done:  # nothing is left of it for the other one
            stack.close()
            shop = stack.enter_context(running(demo, case))
        demo.kubectl(CONTROL_PLANE, "uncordon", NODE)
        probe = stack.enter_context(probing(shop))
        ours, said = by_ourselves(shop)
    assert theirs == case.kubectl
    assert ours == case.ours, said
    assert case.said in said
    assert not probe.failures, f"{len(probe.failures)} of {probe.requests} requests failed"


def test_the_documented_comparison_is_this_one() -> None:
    _, _, table = DOCUMENTED.read_text().rpartition("|---|---|---|---|\n")
    assert table.splitlines() == [str(case) for case in CASES]


def by_kubectl(shop: Shop) -> Outcome:
    options = [f"--{option}" for option in shop.case.options]
    words = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "drain", NODE, "--ignore-daemonsets")
    with detaching(shop):
        timeout = f"--timeout={seconds(shop.case)}s"
        said = shop.lab("exec", CONTROL_PLANE, "--", *words, *options, timeout, check=False)
        return shop.outcome(said.returncode == 0)


def by_ourselves(shop: Shop) -> tuple[Outcome, str]:
    options = [f"{option}=True" for option in shop.case.options]
    with detaching(shop):
        words = (NODE, *options, f"timeout={seconds(shop.case)}")
        report = shop.lab.run("k8s.drain", *words, check=False)
        return shop.outcome(report["ok"]), json.dumps(report)


def seconds(case: Case) -> int:
    """How long a drain may take: where it must not end, no longer than it takes to see that."""
    return 90 if case.ours.done else BUDGET


@contextmanager
def detaching(shop: Shop) -> Iterator[None]:
    """The simulated attacher: it detaches the volume some seconds after the last pod that goes is gone."""
    over = threading.Event()

    def detach() -> None:
        while not over.is_set() and shop.left() - {"agent", "lab-static"}:
            over.wait(1)
        over.wait(6)
        if not over.is_set():
            name = f"simulated-{shop.volume}"
            shop.lab.kubectl(CONTROL_PLANE, "delete", "volumeattachment", name, check=False)

    attacher = threading.Thread(target=detach)
    if shop.case.volume:
        attacher.start()
    try:
        yield
    finally:
        over.set()
        if shop.case.volume:
            attacher.join()


@dataclass
class Probe:
    """What asked a service for a page ten times a second has heard."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def probing(shop: Shop) -> Iterator[Probe]:
    """Ask the case's service, if it has one, all the while."""
    probe = Probe()
    if not any(manifest["kind"] == "Service" for manifest in shop.case.manifests):
        yield probe
        return
    where = ("-n", shop.namespace, "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    address = shop.lab.kubectl(CONTROL_PLANE, *where)
    loop = (
        "while sleep 0.1; do curl --silent --fail --max-time 2 --output /dev/null http://$0/ "
        "&& echo ok || echo failed; done"
    )
    asking = shop.lab.start("exec", CONTROL_PLANE, "--", "sh", "-c", loop, address)
    try:
        yield probe
    finally:
        shop.lab("exec", CONTROL_PLANE, "--", "pkill", "-f", "while sleep 0.1", check=False)
        heard = asking.communicate(timeout=30)[0].split()
        probe.requests, probe.failures = len(heard), [word for word in heard if word != "ok"]
    assert probe.requests > 10


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
    with running(demo, Case("", [workloads.deployment("web", prestop=15)], DRAINED, DRAINED)) as shop:
        if cordoned_before:
            demo.kubectl(CONTROL_PLANE, "cordon", NODE)
        run = cuts.started(demo, f"drain {NODE}", "k8s.drain", NODE)
        wait_until(
            "a pod to be evicted",
            lambda: any("deletionTimestamp" in pod["metadata"] for pod in shop.pods()),
            60,
            every=0.2,
        )
        cut(demo, run)
        node = demo.nodes(CONTROL_PLANE)[NODE]
        assert node["spec"]["unschedulable"]
        assert HOLD in node["metadata"]["annotations"]
        assert demo.run("k8s.drain", NODE)["ok"]
        assert demo.run("k8s.drain", NODE)["steps"] == []
        assert shop.outcome(done=True) == DRAINED
        held = demo.run("k8s.status", "dc1-prod", check=False)["clusters"]["dc1-prod"]["servers"][NODE][
            "hold"
        ]
        assert (held["operation"], held["run"], held["was_cordoned"]) == ("drain", "", cordoned_before)
        assert demo.run("k8s.release", NODE)["ok"]
        after = demo.nodes(CONTROL_PLANE)[NODE]
        assert after["spec"].get("unschedulable", False) is cordoned_before
        assert HOLD not in after["metadata"].get("annotations", {})


def test_the_state_drains_as_well(demo: Lab, provisioned: dict[str, Any]) -> None:
    words = ("state.single", "k8s_node.drained", NODE, "reason=a new disk")
    (told,) = demo.salt(CONTROL_PLANE, *words, "test=True").values()
    assert told["result"] is None
    for changes in (True, False):
        (done,) = demo.salt(CONTROL_PLANE, *words).values()
        assert (done["result"], bool(done["changes"])) == (True, changes), done
    assert demo.run("k8s.uncordon", NODE)["ok"]
