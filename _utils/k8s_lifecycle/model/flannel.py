"""The flannel network as Kubernetes objects, as a pure function of the spec.

Upstream's manifest (https://github.com/flannel-io/flannel/blob/master/Documentation/kube-flannel.yml), with
the interface pinned to the one that has the node's address, since a server may have several, and with the API
asked at the cluster's endpoint: kube-proxy, whose pod starts at the same time, need not be there first. Who
asks the Service of the API before it is fails, is started again after 10 s, and every pod of the node waits.
For the same reason the CNI configuration, with which a node gets Ready, comes last: upstream has an init
container put it there, and a pod that is started before flannel has its subnet fails and waits another 10 s.
"""

from __future__ import annotations

import json
from typing import Any

from k8s_lifecycle.model.settings import Spec

NAMESPACE = "kube-flannel"
_LABELS = {"app": "flannel"}
# By the container itself: what a hook of it does ends with the kubelet that runs it, and none does it again.
# https://github.com/kubernetes/kubernetes/issues/122803
_START = """
open_for_pods() {
  until [ -s /run/flannel/subnet.env ]; do sleep 0.2; done
  cp -f /etc/kube-flannel/cni-conf.json /etc/cni/net.d/10-flannel.conflist
}
open_for_pods &
exec /opt/bin/flanneld "$@"
"""
_RBAC = "rbac.authorization.k8s.io/v1"


def manifests(spec: Spec) -> list[dict[str, Any]]:
    """Return the objects in the order in which they are made."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": NAMESPACE,
                "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
            },
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named()},
        {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": {"name": "flannel"}, "rules": _rules()},
        {
            "apiVersion": _RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "flannel"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "flannel"},
            "subjects": [{"kind": "ServiceAccount", "name": "flannel", "namespace": NAMESPACE}],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": _named("kube-flannel-cfg"),
            "data": _configuration(spec),
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": _named("kube-flannel-ds"),
            "spec": {
                "selector": {"matchLabels": _LABELS},
                "template": {"metadata": {"labels": _LABELS}, "spec": _pod(spec)},
            },
        },
    ]


def _named(name: str = "flannel") -> dict[str, Any]:
    return {"name": name, "namespace": NAMESPACE, "labels": _LABELS}


def _rules() -> list[dict[str, list[str]]]:
    return [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
    ]


def _configuration(spec: Spec) -> dict[str, str]:
    network = {
        "Network": spec.networks.pods,
        "EnableNFTables": False,
        "Backend": {"Type": spec.network_addon.values["backend"]},
    }
    cni = {
        "name": "cbr0",
        "cniVersion": "0.3.1",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    return {"net-conf.json": json.dumps(network), "cni-conf.json": json.dumps(cni)}


def _pod(spec: Spec) -> dict[str, Any]:
    values = spec.network_addon.values
    mounts = {"cni-plugin": "/opt/cni/bin"}
    return {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "serviceAccountName": "flannel",
        # On every node, and from its first moment: without a pod network it never gets Ready.
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "initContainers": [
            {
                "name": "install-cni-plugin",
                "image": values["cni_plugin_image"],
                "command": ["cp", "-f", "/flannel", "/opt/cni/bin/flannel"],
                "volumeMounts": _mounts(mounts),
            },
        ],
        "containers": [_daemon(spec)],
        "volumes": [
            {"name": "run", "hostPath": {"path": "/run/flannel"}},
            {"name": "cni-plugin", "hostPath": {"path": mounts["cni-plugin"]}},
            {"name": "cni", "hostPath": {"path": "/etc/cni/net.d"}},
            {"name": "flannel-cfg", "configMap": {"name": "kube-flannel-cfg"}},
            {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}},
        ],
    }


def _daemon(spec: Spec) -> dict[str, Any]:
    values = spec.network_addon.values
    mounts = {
        "run": "/run/flannel",
        "cni": "/etc/cni/net.d",
        "flannel-cfg": "/etc/kube-flannel",
        "xtables-lock": "/run/xtables.lock",
    }
    interface = values.get("interface") or "$(NODE_ADDRESS)"
    return {
        "name": "kube-flannel",
        "image": values["image"],
        "command": ["sh", "-euc", _START, "sh"],
        # It looks whether its rules are there, by a dozen calls of iptables, as often as kube-proxy does
        # (syncPeriod). By default every 5 s, a tenth of what an idle node does.
        # https://github.com/flannel-io/flannel/blob/master/Documentation/configuration.md (iptables-resync)
        "args": ["--ip-masq", "--kube-subnet-mgr", f"--iface={interface}", "--iptables-resync=30"],
        "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
        "securityContext": {"privileged": False, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}},
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "NODE_ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
            {"name": "EVENT_QUEUE_DEPTH", "value": "5000"},
            # Where every client in a pod looks, otherwise the Service's: rest.InClusterConfig of client-go.
            {"name": "KUBERNETES_SERVICE_HOST", "value": spec.control_plane.endpoint.host},
            {"name": "KUBERNETES_SERVICE_PORT", "value": str(spec.control_plane.endpoint.port)},
        ],
        "volumeMounts": _mounts(mounts),
    }


def _mounts(paths: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "mountPath": path} for name, path in paths.items()]
