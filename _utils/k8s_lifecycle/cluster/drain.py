"""Drain a node: see what is on it, evict what goes, wait until it is gone and its volumes are detached.

Everything is read again in each turn and nothing is remembered between calls, so any control plane server
can go on with what another one began.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from k8s_lifecycle.cluster import holds
from k8s_lifecycle.cluster.api import Api, Json, RefusedError
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
from k8s_lifecycle.model.hold import HeldError

DAEMON_SETS = "/apis/apps/v1/daemonsets"
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
    """The pods of a node, each with what becomes of it, and the volumes that are to be detached."""

    pods: Sequence[tuple[Json, Verdict]]
    attachments: Sequence[Json]

    def fated(self, fate: Fate) -> list[tuple[Json, str]]:
        return [(pod, verdict.reason) for pod, verdict in self.pods if verdict.fate is fate]


@dataclass
class _Round:
    """One call's work on one node."""

    api: Api
    node: str
    run: str
    options: Options
    tries: dict[str, _Try] = field(default_factory=dict)


def look(api: Api, node: str, options: Options) -> dict[str, Any] | None:
    """Return what a drain would do with the pods of a node, as plain data; None without such a node."""
    found = api.find(f"{NODES}/{node}")
    if found is None:
        return None
    on_node = _on_node(api, found, options)
    budgets = api.get(BUDGETS)["items"] if on_node.fated(Fate.GOES) else []
    hold = holds.of(found)
    return {
        "hold": hold.to_dict() if hold else None,
        "unreachable": is_unreachable(found),
        "goes": [_planned(pod, reason, budgets) for pod, reason in on_node.fated(Fate.GOES)],
        "stays": [_told(pod, reason) for pod, reason in on_node.fated(Fate.STAYS)],
        "forbidden": [
            *(_told(pod, reason) for pod, reason in on_node.fated(Fate.FORBIDDEN)),
            *_overdetermined(on_node, options, budgets),
        ],
        "attachments": [_volume(one) for one in on_node.attachments],
    }


def evict(api: Api, node: str, run: str, options: Options, seconds: float) -> dict[str, Any]:
    """Evict what goes, and wait for it, for so many seconds; return what is left then, and why.

    Raises `HeldError` once the hold is not the run's any more.
    """
    work = _Round(api, node, run, options)
    deadline = time.monotonic() + seconds
    while True:
        on_node = _turn(work)
        going, forbidden = on_node.fated(Fate.GOES), on_node.fated(Fate.FORBIDDEN)
        if time.monotonic() > deadline or not (going or on_node.attachments):
            return {
                "left": [_told(pod, _why(work, pod)) for pod, _ in going],
                "never": [
                    *(_told(pod, reason) for pod, reason in forbidden),
                    *(_told(pod, _why(work, pod)) for pod, _ in going if _said(work, pod) is Said.NEVER),
                ],
                "attachments": [_volume(one) for one in on_node.attachments],
            }
        time.sleep(POLL)


def _turn(work: _Round) -> _OnNode:
    """Look at the node, ask for the evictions that are due, and return what was there."""
    found = work.api.get(f"{NODES}/{work.node}")
    hold = holds.of(found)
    if hold is None or hold.run != work.run:
        raise HeldError(f"node {work.node} is {f'held by {hold}' if hold else 'not held any more'}")
    on_node = _on_node(work.api, found, work.options)
    now = time.monotonic()
    due = [
        pod
        for pod, _ in on_node.fated(Fate.GOES)
        if not pod["metadata"].get("deletionTimestamp") and _try(work, pod).again <= now
    ]
    if due:
        with ThreadPoolExecutor(AT_ONCE) as side_by_side:
            list(side_by_side.map(lambda pod: _ask(work, pod), due))
    return on_node


def _ask(work: _Round, pod: Json) -> None:
    """Ask once for a pod to go; note what it came to, and when to ask again."""
    attempt = _try(work, pod)
    try:
        _request(work, pod)
    except RefusedError as refusal:
        attempt.said = heard(refusal.status, str(refusal), refusal.causes)
        attempt.why = refusal.causes.get("DisruptionBudget") or str(refusal).partition(": ")[2]
    else:
        attempt.said, attempt.why = Said.DONE, ""
    attempt.again = time.monotonic() + (attempt.pause if attempt.said is Said.LATER else LONGEST_PAUSE)
    attempt.pause = min(attempt.pause * 2, LONGEST_PAUSE)


def _request(work: _Round, pod: Json) -> None:
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


def _on_node(api: Api, node: Json, options: Options) -> _OnNode:
    """Judge every pod of a node; on one that cannot be reached, no end of a pod is ever confirmed."""
    name = node["metadata"]["name"]
    if is_unreachable(node) and not options.skip_wait_for_delete_timeout:
        options = replace(options, skip_wait_for_delete_timeout=UNREACHABLE_SECONDS)
    pods = api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={name}")["items"]
    daemon_sets = {
        (one["metadata"]["namespace"], one["metadata"]["name"]) for one in api.get(DAEMON_SETS)["items"]
    }
    sight = Sight(options, daemon_sets, holds.of(node), datetime.now(UTC))
    judged = [(pod, judge(pod, sight)) for pod in pods]
    staying = [pod for pod, verdict in judged if verdict.fate is Fate.STAYS]
    return _OnNode(judged, _attachments(api, name, staying))


def _attachments(api: Api, node: str, staying: Sequence[Json]) -> list[Json]:
    """Return the VolumeAttachments of a node but for those of pods that stay on it."""
    attached = [one for one in api.get(ATTACHMENTS)["items"] if one["spec"]["nodeName"] == node]
    if not attached:
        return []
    used = {volume for pod in staying for volume in _volumes(api, pod)}
    return [one for one in attached if one["spec"]["source"].get("persistentVolumeName") not in used]


def _volumes(api: Api, pod: Json) -> list[str]:
    """Return the PersistentVolumes of a pod."""
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in pod["spec"].get("volumes", ())
        if "persistentVolumeClaim" in volume
    ]
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/persistentvolumeclaims"
    found = [api.find(f"{path}/{claim}") for claim in claims]
    return [claim["spec"].get("volumeName", "") for claim in found if claim]


def _overdetermined(on_node: _OnNode, options: Options, budgets: Sequence[Json]) -> list[dict[str, str]]:
    """Return the pods that more than one budget selects: the API server never evicts those."""
    if options.disable_eviction:
        return []
    found = [(pod, budgets_of(pod, budgets)) for pod, _ in on_node.fated(Fate.GOES)]
    return [
        _told(pod, f"more than one budget selects it ({_names(several)}): it is never evicted")
        for pod, several in found
        if len(several) > 1
    ]


def _planned(pod: Json, reason: str, budgets: Sequence[Json]) -> dict[str, str]:
    """Return what the plan says of a pod that goes, with what its budget allows now."""
    said = [reason, *(allowance(budget) for budget in budgets_of(pod, budgets))]
    return _told(pod, "; ".join(said))


def _why(work: _Round, pod: Json) -> str:
    """Return what a pod that is still there is waited for."""
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        finalizers = ", ".join(metadata.get("finalizers", ()))
        return f"it is ending{f', held by its finalizers {finalizers}' if finalizers else ''}"
    return _try(work, pod).why or "its eviction was granted"


def _said(work: _Round, pod: Json) -> Said:
    return _try(work, pod).said


def _try(work: _Round, pod: Json) -> _Try:
    return work.tries.setdefault(pod["metadata"]["uid"], _Try())


def _told(pod: Json, why: str) -> dict[str, str]:
    return {"pod": name_of(pod), "why": why}


def _names(objects: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(one["metadata"]["name"] for one in objects)


def _volume(attachment: Mapping[str, Any]) -> str:
    volume = attachment["spec"]["source"].get("persistentVolumeName", "an inline volume")
    return f"{volume} by {attachment['spec']['attacher']}"
