"""The smoke check: a pod on each new node resolves a Service's name and reaches a pod on another node.

A pod reports by its termination message, so that neither logs nor exec are needed, and with them no serving
certificate of a kubelet. Pods tolerate everything: a new node is closed for other pods until this has passed.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from k8s_lifecycle.cluster.api import Api, ForbiddenError, Json
from k8s_lifecycle.cluster.readiness import is_ready
from k8s_lifecycle.model.settings import Spec

PODS = "/api/v1/namespaces/kube-system/pods"
LABEL = "k8s-lifecycle/smoke-check"
PORT = 8080
LONGEST = 3600  # seconds that a check may take, with its pods' deadline

_SERVE = f"mkdir -p /tmp/www && echo reached >/tmp/www/index.html && exec httpd -f -p {PORT} -h /tmp/www"
# What a pod says while it runs is not to be seen outside: it gives up by itself, in time to be heard.
# `timeout`, since the `-T` of a statically linked busybox crashes.
_CHECK = """
end=$(($(date +%s) + SECONDS_LEFT))
try() { until said=$("$@" 2>&1); do [ "$(date +%s)" -lt "$end" ] || return 1; sleep 1; done; }
try nslookup "$NAME" || { echo "resolving $NAME: $said" >/dev/termination-log; exit 1; }
[ -z "$PEER" ] && exit 0
try timeout 5 wget -q -O - "http://$PEER/" || {
  echo "resolved $NAME; reaching the pod $PEER on node $PEER_NODE: $said" >/dev/termination-log; exit 1
}
"""


_DELETED = {"spec": {"nodeName": ""}, "status": {"phase": "Failed", "message": "somebody deleted its pod"}}


@dataclass(frozen=True)
class _Check:
    """One run of the check: the pods of others are not its business."""

    api: Api
    spec: Spec
    run: str
    deadline: float

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def seconds(self) -> str:
        """Return for how long a pod may try, so that it is heard before the time is up."""
        return str(max(1, int(self.left()) - 10))

    def start(self, name: str, node: str, script: str, **env: str) -> None:
        """Start a pod; a new cluster forbids it until its controllers have made the service account."""
        while True:
            try:
                self.api.create(PODS, _pod(self, name, node, script, env))
            except ForbiddenError:
                if not self.left():
                    raise
                time.sleep(0.5)
            else:
                return

    def pods(self) -> dict[str, Json]:
        """Return this run's pods by name."""
        found = self.api.get(PODS, labelSelector=f"{LABEL}={self.run}")["items"]
        return defaultdict(lambda: _DELETED, {pod["metadata"]["name"]: pod for pod in found})

    def wait(self, names: Sequence[str], done: Callable[[Json], Any]) -> dict[str, Json]:
        """Wait until each of these pods is done, or the time is up; return them as they are then."""
        while True:
            pods = self.pods()
            if all(done(pods[name]) for name in names) or not self.left():
                return pods
            time.sleep(0.5)


def check(api: Api, spec: Spec, nodes: Sequence[str], timeout: float) -> dict[str, dict[str, Any]]:
    """Return for each node whether its pod did it all, and what failed."""
    _remove_abandoned(api)
    run = _Check(api, spec, secrets.token_hex(4), time.monotonic() + timeout)
    try:
        peers, silent = _peers(run, nodes)
        if silent:
            return {
                node: {"ok": False, "detail": f"pods to be reached do not run: {silent}"} for node in nodes
            }
        targets = {node: _target(peers, node) for node in nodes}
        names = {node: f"smoke-{run.run}-{index}" for index, node in enumerate(nodes)}
        for node, target in targets.items():
            run.start(names[node], node, _CHECK, NAME=_name(spec), SECONDS_LEFT=run.seconds(), **target)
        pods = run.wait(list(names.values()), _ended)
        return {node: _verdict(pods[names[node]], targets[node]) for node in nodes}
    finally:
        api.delete(PODS, labelSelector=f"{LABEL}={run.run}", gracePeriodSeconds="0")


def _peers(run: _Check, nodes: Sequence[str]) -> tuple[list[Json], str]:
    """Start a pod to be reached on two nodes, so that every node has one elsewhere; return them.

    Returns also why they do not run, where there are two nodes and they do not.
    """
    ready = [node["metadata"]["name"] for node in run.api.get("/api/v1/nodes")["items"] if is_ready(node)]
    chosen = sorted(ready, key=lambda node: node in nodes)[:2]  # rather old nodes than new ones
    if len(chosen) < 2:  # noqa: PLR2004
        return [], ""
    names = [f"smoke-{run.run}-peer-{index}" for index in range(len(chosen))]
    for name, node in zip(names, chosen, strict=True):
        run.start(name, node, _SERVE)
    half = replace(run, deadline=time.monotonic() + run.left() / 2)
    pods = half.wait(names, _address)
    silent = [
        f"node {pods[name]['spec']['nodeName']}: {_said(pods[name])}"
        for name in names
        if not _address(pods[name])
    ]
    return [pods[name] for name in names], "; ".join(silent)


def _name(spec: Spec) -> str:
    return f"kubernetes.default.svc.{spec.networks.dns_domain}"


def _address(pod: Json) -> str:
    return str(pod["status"].get("podIP", ""))


def _target(peers: Sequence[Json], node: str) -> dict[str, str]:
    peer = next((pod for pod in peers if pod["spec"]["nodeName"] != node), None)
    if peer is None:
        return {"PEER": "", "PEER_NODE": ""}
    host = f"[{_address(peer)}]" if ":" in _address(peer) else _address(peer)
    return {"PEER": f"{host}:{PORT}", "PEER_NODE": peer["spec"]["nodeName"]}


def _pod(run: _Check, name: str, node: str, script: str, env: dict[str, str]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {LABEL: run.run}},
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(run.left()) + 60,  # also if nobody is left to delete it
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "check",
                    "image": run.spec.images.smoke_check,
                    "command": ["/bin/sh", "-c", script],
                    "env": [{"name": key, "value": value} for key, value in env.items()],
                    "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
                }
            ],
        },
    }


def _ended(pod: Json) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def _verdict(pod: Json, target: dict[str, str]) -> dict[str, Any]:
    if pod["status"].get("phase") != "Succeeded":
        return {"ok": False, "detail": _said(pod)}
    reached = (
        f"reached a pod on {target['PEER_NODE']}" if target["PEER"] else "there is no other node to reach"
    )
    return {"ok": True, "detail": f"its pod resolved a Service's name; {reached}"}


def _said(pod: Json) -> str:
    """Return why a pod is not further: its own last words, or what keeps its container from running."""
    for container in pod["status"].get("containerStatuses", ()):
        state = container["state"]
        if "terminated" in state:
            return str(
                state["terminated"].get("message") or f"it ended as {state['terminated'].get('reason')}"
            ).strip()
        if "waiting" in state:
            waiting = state["waiting"]
            return f"its pod waits: {waiting.get('reason', '')}: {waiting.get('message', '')}".rstrip(": ")
    return str(
        pod["status"].get("message")
        or "its kubelet has not started the pod: see `journalctl -u kubelet` there"
    )


def _remove_abandoned(api: Api) -> None:
    """Remove the pods of checks that were killed; those of checks beside this one are younger."""
    for pod in api.get(PODS, labelSelector=LABEL)["items"]:
        made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        if (datetime.now(UTC) - made).total_seconds() > LONGEST:
            api.delete(f"{PODS}/{pod['metadata']['name']}", gracePeriodSeconds="0")
