"""What a drain does with each pod of a node, and what the API server's answer to an eviction means.

The rules are those of kubectl: https://github.com/kubernetes/kubernetes/tree/master/staging/src/k8s.io/kubectl/pkg/drain
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from http import HTTPStatus
from typing import Any

from k8s_lifecycle.model.hold import Hold

Json = Mapping[str, Any]

MIRROR = "kubernetes.io/config.mirror"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
FINISHED = ("Succeeded", "Failed")
_PASSING_CAUSES = frozenset({"NamespaceTerminating", "DisruptionBudget"})
# What an unreachable node's pods get before they are not waited for any more: its kubelet confirms nothing.
UNREACHABLE_SECONDS = 60


class Fate(Enum):
    """What becomes of a pod in a drain."""

    GOES = "goes"
    STAYS = "stays"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True)
class Options:
    """How a drain is done, in the terms of `kubectl drain`.

    force: evict pods that nobody makes anew. delete_emptydir_data: evict pods with local data.
    disable_eviction: delete pods, past their disruption budgets. grace_period: seconds for each pod to end;
    -1: its own. skip_wait_for_delete_timeout: do not wait for a pod that has been ending for so many seconds;
    0: wait for each.
    """

    force: bool = False
    delete_emptydir_data: bool = False
    disable_eviction: bool = False
    grace_period: int = -1
    skip_wait_for_delete_timeout: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """What becomes of a pod, and why."""

    fate: Fate
    reason: str = ""


def name_of(pod: Json) -> str:
    """Return a pod's namespace and name."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


@dataclass(frozen=True)
class Sight:
    """What a pod is judged by, beside itself.

    daemon_sets: namespace and name of each that there is. hold: the node's; None before there is one.
    """

    options: Options
    daemon_sets: Collection[tuple[str, str]]
    hold: Hold | None
    now: datetime


def judge(pod: Json, sight: Sight) -> Verdict:
    """Return what becomes of one pod of a node: the first rule that has a say decides."""
    verdicts = (rule(pod, sight) for rule in _RULES)
    return next(verdict for verdict in verdicts if verdict)


def _static(pod: Json, sight: Sight) -> Verdict | None:
    return Verdict(Fate.STAYS, "a static pod") if MIRROR in pod["metadata"].get("annotations", {}) else None


def _ignores_the_cordon(pod: Json, sight: Sight) -> Verdict | None:
    """Let those stay that came after the cordon and tolerate it: they would come again for ever."""
    if sight.hold is None or sight.hold.since == "?":
        return None
    created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    if created <= datetime.fromisoformat(sight.hold.since):
        return None
    if any(_tolerates_the_cordon(one) for one in pod["spec"].get("tolerations", ())):
        return Verdict(Fate.STAYS, "it came after the cordon and tolerates it: it would come again")
    return None


def _ending_for_long(pod: Json, sight: Sight) -> Verdict | None:
    since, seconds = pod["metadata"].get("deletionTimestamp"), sight.options.skip_wait_for_delete_timeout
    if not (since and seconds) or (sight.now - datetime.fromisoformat(since)).total_seconds() <= seconds:
        return None
    return Verdict(Fate.STAYS, f"it has been ending for more than {seconds} s: not waited for")


def _finished(pod: Json, sight: Sight) -> Verdict | None:
    return Verdict(Fate.GOES, "it has finished") if pod.get("status", {}).get("phase") in FINISHED else None


def _ending(pod: Json, sight: Sight) -> Verdict | None:
    return Verdict(Fate.GOES, "it is ending") if pod["metadata"].get("deletionTimestamp") else None


def _of_a_daemon_set(pod: Json, sight: Sight) -> Verdict | None:
    owner = _controller(pod)
    if owner is None or (owner.get("apiVersion"), owner["kind"]) != ("apps/v1", "DaemonSet"):
        return None
    if (pod["metadata"]["namespace"], owner["name"]) in sight.daemon_sets:
        return Verdict(Fate.STAYS, f"of DaemonSet {owner['name']}")
    if sight.options.force or pod["metadata"].get("deletionTimestamp"):
        return None
    return Verdict(Fate.FORBIDDEN, f"its DaemonSet {owner['name']} is gone: nobody makes it anew (force)")


def _with_local_data(pod: Json, sight: Sight) -> Verdict | None:
    local = any("emptyDir" in volume for volume in pod["spec"].get("volumes", ()))
    if not local or sight.options.delete_emptydir_data:
        return None
    return Verdict(Fate.FORBIDDEN, "its emptyDir is lost with it (delete_emptydir_data)")


def _without_a_controller(pod: Json, sight: Sight) -> Verdict | None:
    if _controller(pod) or sight.options.force:
        return None
    return Verdict(Fate.FORBIDDEN, "it has no controller: nobody makes it anew (force)")


def _any_other(pod: Json, sight: Sight) -> Verdict | None:
    owner = _controller(pod)
    return Verdict(Fate.GOES, f"of {owner['kind']} {owner['name']}" if owner else "it has no controller")


_RULES = (
    _static,
    _ignores_the_cordon,
    _ending_for_long,
    _finished,
    _of_a_daemon_set,
    _ending,
    _with_local_data,
    _without_a_controller,
    _any_other,
)


def budgets_of(pod: Json, budgets: Sequence[Json]) -> list[Json]:
    """Return the PodDisruptionBudgets that the API server asks before it evicts a pod.

    It asks none for a pod that has not started, has finished or is ending (canIgnorePDB in its sources).
    """
    if pod.get("status", {}).get("phase") in (*FINISHED, "Pending") or pod["metadata"].get(
        "deletionTimestamp"
    ):
        return []
    labels = pod["metadata"].get("labels", {})
    return [
        budget
        for budget in budgets
        if budget["metadata"]["namespace"] == pod["metadata"]["namespace"]
        and selects(budget["spec"].get("selector"), labels)
    ]


def selects(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects: none at all selects nothing, an empty one everything.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/
    """
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _meets(one, labels) for one in selector.get("matchExpressions") or ()
    )


def allowance(budget: Json) -> str:
    """Return what a budget allows now, in words."""
    status = budget.get("status", {})
    allowed = status.get("disruptionsAllowed", 0)
    healthy, needed = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return f"budget {budget['metadata']['name']} allows {allowed} now ({healthy} healthy, {needed} needed)"


class Said(Enum):
    """What an answer to an eviction means. LATER: ask again. NEVER: it stays so until a person changes it."""

    DONE = "done"
    LATER = "later"
    NEVER = "never"


def heard(status: int, message: str, causes: Collection[str]) -> Said:
    """Return what a refused eviction means: by its status, its message, and the kinds of its causes.

    A pod that more than one budget selects gets a 500 for ever, and one in a namespace that is being deleted
    a 403 until it is marked as ending. https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
    """
    if status == HTTPStatus.NOT_FOUND:
        return Said.DONE
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and "more than one PodDisruptionBudget" in message:
        return Said.NEVER
    passing = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_TIMEOUT}
    terminating = status == HTTPStatus.FORBIDDEN and not _PASSING_CAUSES.isdisjoint(causes)
    return (
        Said.LATER
        if status in passing or terminating or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        else Said.NEVER
    )


def _controller(pod: Json) -> Json | None:
    return next((one for one in pod["metadata"].get("ownerReferences", ()) if one.get("controller")), None)


def _tolerates_the_cordon(toleration: Json) -> bool:
    key, operator = toleration.get("key"), toleration.get("operator")
    everything = not key and operator == "Exists"
    return (everything or key == UNSCHEDULABLE) and toleration.get("effect") in (None, "", "NoSchedule")


def _meets(expression: Json, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False
