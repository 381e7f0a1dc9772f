"""Workloads of all kinds for a drain, in a namespace of their own."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

Manifest = dict[str, Any]

IMAGE = "mirror.lab:5000/library/busybox:1.35"
PORT = 8080
SERVE = f"mkdir -p /tmp/www && echo here >/tmp/www/index.html && exec httpd -f -p {PORT} -h /tmp/www"


def placed(manifests: Iterable[Manifest], namespace: str) -> list[Manifest]:
    """The namespace, and manifests in it; a volume has its name in front, and is claimed from it."""
    found = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}]
    for manifest in copy.deepcopy(list(manifests)):
        if manifest["kind"] == "PersistentVolume":
            manifest["metadata"]["name"] = f"{namespace}-{manifest['metadata']['name']}"
            manifest["spec"]["claimRef"]["namespace"] = namespace
        else:
            manifest["metadata"]["namespace"] = namespace
        if manifest["kind"] == "PersistentVolumeClaim":
            manifest["spec"]["volumeName"] = f"{namespace}-{manifest['spec']['volumeName']}"
        found.append(manifest)
    return found


def pod_template(app: str, *, prestop: int = 0, volumes: tuple[Manifest, ...] = (), **spec: Any) -> Manifest:
    """A pod that serves a page; it goes on serving for `prestop` seconds after its eviction."""
    container: Manifest = {
        "name": "web",
        "image": IMAGE,
        "command": ["sh", "-c", SERVE],
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in volumes],
    }
    if prestop:
        container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", str(prestop)]}}}
    return {
        "metadata": {"labels": {"app": app}},
        "spec": {
            "terminationGracePeriodSeconds": prestop + 1,
            "containers": [container],
            "volumes": list(volumes),
            **spec,
        },
    }


def deployment(app: str = "web", replicas: int = 1, **how: Any) -> Manifest:
    return _controller("apps/v1", "Deployment", app, pod_template(app, **how), replicas=replicas)


def daemon_set(app: str = "agent") -> Manifest:
    return _controller("apps/v1", "DaemonSet", app, pod_template(app))


def stateful_set(app: str, volume: str) -> list[Manifest]:
    """A StatefulSet of one pod, and the volume that it claims."""
    claim = f"data-{app}-0"
    path = {"path": f"/var/lib/{volume}", "type": "DirectoryOrCreate"}
    modes = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    persistent = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume},
        "spec": {
            **modes,
            "capacity": {"storage": "1Gi"},
            "hostPath": path,
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"name": claim},
        },
    }
    wanted = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim},
        "spec": {**modes, "volumeName": volume, "resources": {"requests": {"storage": "1Gi"}}},
    }
    claims = ({"name": "data", "persistentVolumeClaim": {"claimName": claim}},)
    pods = _controller(
        "apps/v1", "StatefulSet", app, pod_template(app, volumes=claims), serviceName=app, replicas=1
    )
    return [persistent, wanted, pods]


def simulated_attachment(volume: str, node: str) -> Manifest:
    """What an attacher keeps while a volume is attached. Simulated: a hostPath is never attached."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": f"simulated-{volume}"},
        "spec": {"attacher": "simulated.lab", "nodeName": node, "source": {"persistentVolumeName": volume}},
    }


def finished_job(app: str = "report") -> Manifest:
    container = {"name": "once", "image": IMAGE, "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return _named("batch/v1", "Job", app, {"template": template})


def bare_pod(app: str = "alone", **metadata: Any) -> Manifest:
    template = pod_template(app)
    named = {"name": app, "labels": {"app": app}, **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": template["spec"]}


def budget(name: str, app: str, needed: int) -> Manifest:
    spec = {"minAvailable": needed, "selector": {"matchLabels": {"app": app}}}
    return _named("policy/v1", "PodDisruptionBudget", name, spec)


def service(app: str) -> Manifest:
    return _named(
        "v1", "Service", app, {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": PORT}]}
    )


def _controller(version: str, kind: str, app: str, template: Manifest, **spec: Any) -> Manifest:
    selector = {"matchLabels": {"app": app}}
    return _named(version, kind, app, {"selector": selector, "template": template, **spec})


def _named(version: str, kind: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }
