"""Drain a node: see what is on it, evict what goes, wait until it is gone and its volumes are detached.

Everything is read again in each turn and nothing is remembered between calls, so any control plane server
can go on with what another one began.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from k8s_lifecycle.cluster import holds
from k8s_lifecycle.cluster.api import Api, Json, KubernetesError, RefusedError
from k8s_lifecycle.cluster.nodes import NODES
from k8s_lifecycle.cluster.readiness import is_unreachable
from k8s_lifecycle.model.eviction import (
    UNREACHABLE_SECONDS,
    Fate,
    Options,
    Said,
    Sight,
    Verdict,
    allowance,
    budgets_of,
    heard,
    judge,
    name_of,
)

BUDGETS = "/apis/policy/v1/poddisruptionbudgets"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
AT_ONCE = 16
POLL = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 8.0


@dataclass
class _Try:
    """What asking for a pod's eviction has come to so far."""

    said: Said = Said.LATER
    why: str = ""
    pause: float = FIRST_PAUSE
    again: float = 0.0


@dataclass(frozen=True)
class _OnNode:
    """The pods of a node, each with what becomes of it. volumes: those that are to be detached from it."""

    pods: Sequence[tuple[Json, Verdict]]
    volumes: frozenset[str]

    def fated(self, fate: Fate) -> list[tuple[Json, str]]:
        return [(pod, verdict.reason) for pod, verdict in self.pods if verdict.fate is fate]


@dataclass
class _Work:
    """One call's work on one node, with what it has seen so far."""

    api: Api
    node: str
    options: Options
    tries: dict[str, _Try] = field(default_factory=dict)
    volumes: set[str] = field(default_factory=set)
    daemon_sets: dict[tuple[str, str], bool] = field(default_factory=dict)


def look(api: Api, node: str, options: Options, all_budgets: Sequence[Json]) -> dict[str, Any] | None:
    """Return what a drain would do with the pods of a node, as plain data; None without such a node."""
    found = api.find(f"{NODES}/{node}")
    if found is None:
        return None
    work = _Work(api, node, options)
    on_node = _on_node(work, found)
    hold = holds.of(found)
    return {
        "hold": hold.to_dict() if hold else None,
        "cordoned": found["spec"].get("unschedulable", False),
        "unreachable": is_unreachable(found),
        "goes": [_planned(pod, reason, all_budgets) for pod, reason in on_node.fated(Fate.GOES)],
        "stays": [_told(pod, reason) for pod, reason in on_node.fated(Fate.STAYS)],
        "forbidden": [
            *(_told(pod, reason) for pod, reason in on_node.fated(Fate.FORBIDDEN)),
            *_overdetermined(on_node, options, all_budgets),
        ],
        "volumes": sorted(on_node.volumes),
        "attachments": [] if on_node.fated(Fate.GOES) else _attached(work, on_node.volumes),
    }


def budgets(api: Api) -> list[Json]:
    """Return all PodDisruptionBudgets."""
    found: list[Json] = api.get(BUDGETS)["items"]
    return found


def evict(api: Api, node: str, run: str, options: Options, seconds: float) -> dict[str, Any]:
    """Evict what goes, and wait for it, for so many seconds; return what is left then, and why.

    An API server that does not answer for a moment is asked again, as long as there is time.
    """
    work = _Work(api, node, options)
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = api.get(f"{NODES}/{node}")
            if lost := _lost(found, run):
                return {**_NOTHING, "lost": lost}
            left = _turn(work, found)
        except KubernetesError:
            if time.monotonic() > deadline:
                raise
        else:
            if time.monotonic() > deadline or not any(
                left[what] for what in ("left", "never", "attachments")
            ):
                return left
        time.sleep(POLL)


_NOTHING: dict[str, Any] = {"left": [], "never": [], "attachments": [], "skipped": [], "lost": ""}


def _lost(node: Json, run: str) -> str:
    """Return who has the node if the run does not hold it any more."""
    hold = holds.of(node)
    if hold is not None and hold.run == run:
        return ""
    return f"it is held by {hold}" if hold else "it is not held any more"


def _turn(work: _Work, node: Json) -> dict[str, Any]:
    """Look at the node, ask for the evictions that are due, and return what is left of it."""
    on_node = _on_node(work, node)
    work.volumes |= on_node.volumes
    going = on_node.fated(Fate.GOES)
    now = time.monotonic()
    due = [
        pod
        for pod, _ in going
        if not pod["metadata"].get("deletionTimestamp") and _try(work, pod).again <= now
    ]
    if due:
        with ThreadPoolExecutor(AT_ONCE) as side_by_side:
            list(side_by_side.map(lambda pod: _ask(work, pod), due))
    never = [(pod, _try(work, pod).why) for pod, _ in going if _try(work, pod).said is Said.NEVER]
    return {
        "left": [_told(pod, _why(work, pod)) for pod, _ in going],
        "never": [_told(pod, why) for pod, why in (*on_node.fated(Fate.FORBIDDEN), *never)],
        "attachments": [] if going else _attached(work, work.volumes),
        "skipped": [_told(pod, why) for pod, why in on_node.fated(Fate.STAYS) if _is_ending(pod)],
        "lost": "",
    }


def _ask(work: _Work, pod: Json) -> None:
    """Ask once for a pod to go; note what it came to, and when to ask again."""
    attempt = _try(work, pod)
    try:
        _request(work, pod)
    except RefusedError as refusal:
        attempt.said = heard(refusal.status, str(refusal), refusal.causes)
        attempt.why = refusal.causes.get("DisruptionBudget") or str(refusal).partition(": ")[2]
    except KubernetesError as silence:  # a slow webhook, say: whether the pod goes is seen in the next turn
        attempt.said, attempt.why = Said.LATER, str(silence)
    else:
        attempt.said, attempt.why = Said.DONE, ""
    attempt.again = time.monotonic() + (attempt.pause if attempt.said is Said.LATER else LONGEST_PAUSE)
    attempt.pause = min(attempt.pause * 2, LONGEST_PAUSE)


def _request(work: _Work, pod: Json) -> None:
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    how: Json = {"preconditions": {"uid": metadata["uid"]}}
    if work.options.grace_period >= 0:
        how["gracePeriodSeconds"] = work.options.grace_period
    if work.options.disable_eviction:
        work.api.delete(path, how)
        return
    names = {"name": metadata["name"], "namespace": metadata["namespace"]}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": names, "deleteOptions": how}
    work.api.create(f"{path}/eviction", eviction)


def _on_node(work: _Work, node: Json) -> _OnNode:
    """Judge every pod of a node; on one that cannot be reached, no end of a pod is ever confirmed."""
    options = work.options
    if is_unreachable(node) and not options.skip_wait_for_delete_timeout:
        options = replace(options, skip_wait_for_delete_timeout=UNREACHABLE_SECONDS)
    pods = work.api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={work.node}")["items"]
    hold = holds.of(node)
    sight = Sight(options, _daemon_sets(work, pods), hold, datetime.now(UTC))
    judged = [(pod, judge(pod, sight)) for pod in pods]
    going = [pod for pod, verdict in judged if verdict.fate is Fate.GOES]
    new = {volume for pod in going for volume in _volumes(work, pod)}
    return _OnNode(judged, frozenset({*new, *(hold.volumes if hold else ())}))


def _daemon_sets(work: _Work, pods: Sequence[Json]) -> set[tuple[str, str]]:
    """Return which DaemonSets of these pods there are; each is asked for once."""
    owners = {
        (pod["metadata"]["namespace"], owner["name"])
        for pod in pods
        for owner in pod["metadata"].get("ownerReferences", ())
        if owner["kind"] == "DaemonSet"
    }
    for namespace, name in owners - work.daemon_sets.keys():
        path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}"
        work.daemon_sets[namespace, name] = work.api.find(path) is not None
    return {owner for owner in owners if work.daemon_sets[owner]}


def _attached(work: _Work, volumes: Collection[str]) -> list[str]:
    """Return which of these volumes are still attached to the node, and by whom."""
    if not volumes:
        return []
    return [
        f"{volume} by {one['spec']['attacher']}"
        for one in work.api.get(ATTACHMENTS)["items"]
        if one["spec"]["nodeName"] == work.node
        and (volume := one["spec"]["source"].get("persistentVolumeName")) in volumes
    ]


def _volumes(work: _Work, pod: Json) -> list[str]:
    """Return the PersistentVolumes of a pod."""
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/persistentvolumeclaims"
    found = [work.api.find(f"{path}/{claim}") for claim in _claims(pod)]
    return [volume for claim in found if claim and (volume := claim["spec"].get("volumeName"))]


def _claims(pod: Json) -> list[str]:
    """Return the claims of a pod: by name, or made for it under its own name."""
    volumes = pod["spec"].get("volumes", ())
    named = [one["persistentVolumeClaim"]["claimName"] for one in volumes if "persistentVolumeClaim" in one]
    own = [f"{pod['metadata']['name']}-{one['name']}" for one in volumes if "ephemeral" in one]
    return named + own


def _overdetermined(on_node: _OnNode, options: Options, all_budgets: Sequence[Json]) -> list[dict[str, str]]:
    """Return the pods that more than one budget selects: the API server never evicts those."""
    if options.disable_eviction:
        return []
    found = [(pod, budgets_of(pod, all_budgets)) for pod, _ in on_node.fated(Fate.GOES)]
    return [
        _told(pod, f"more than one budget selects it ({_names(several)}): it is never evicted")
        for pod, several in found
        if len(several) > 1
    ]


def _planned(pod: Json, reason: str, all_budgets: Sequence[Json]) -> dict[str, str]:
    """Return what the plan says of a pod that goes, with what its budget allows now."""
    said = [reason, *(allowance(budget) for budget in budgets_of(pod, all_budgets))]
    return _told(pod, "; ".join(said))


def _why(work: _Work, pod: Json) -> str:
    """Return what a pod that is still there is waited for."""
    if _is_ending(pod):
        finalizers = ", ".join(pod["metadata"].get("finalizers", ()))
        return f"it is ending{f', held by its finalizers {finalizers}' if finalizers else ''}"
    return _try(work, pod).why or "its eviction was granted"


def _try(work: _Work, pod: Json) -> _Try:
    return work.tries.setdefault(pod["metadata"]["uid"], _Try())


def _is_ending(pod: Json) -> bool:
    return pod["metadata"].get("deletionTimestamp") is not None


def _told(pod: Json, why: str) -> dict[str, str]:
    return {"pod": name_of(pod), "why": why}


def _names(objects: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(one["metadata"]["name"] for one in objects)
