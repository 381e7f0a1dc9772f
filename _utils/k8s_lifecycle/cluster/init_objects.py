"""What `kubeadm init` leaves in the API: for each phase its main object, and the one it writes last.

A missing object is a 404 from a living API server, never silence: whoever asks gets an error then.
"""

from __future__ import annotations

from k8s_lifecycle.cluster.api import Api

_SYSTEM = "/api/v1/namespaces/kube-system"
_APPS = "/apis/apps/v1/namespaces/kube-system"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"

KUBEADM_CONFIG = f"{_SYSTEM}/configmaps/kubeadm-config"
KUBELET_CONFIG = f"{_SYSTEM}/configmaps/kubelet-config"
CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
AUTO_APPROVE = f"{_RBAC}/clusterrolebindings/kubeadm:node-autoapprove-bootstrap"
CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"

OBJECTS = {
    "upload-config/kubeadm": (
        KUBEADM_CONFIG,
        f"{_RBAC}/namespaces/kube-system/rolebindings/kubeadm:nodes-kubeadm-config",
    ),
    "upload-config/kubelet": (
        KUBELET_CONFIG,
        f"{_RBAC}/namespaces/kube-system/rolebindings/kubeadm:kubelet-config",
    ),
    "bootstrap-token": (
        f"{_RBAC}/clusterrolebindings/kubeadm:kubelet-bootstrap",
        CLUSTER_INFO,
        f"{_RBAC}/namespaces/kube-public/rolebindings/kubeadm:bootstrap-signer-clusterinfo",
    ),
    "addon/coredns": (f"{_APPS}/deployments/coredns", f"{_SYSTEM}/services/kube-dns"),
    "addon/kube-proxy": (
        f"{_APPS}/daemonsets/kube-proxy",
        f"{_RBAC}/namespaces/kube-system/rolebindings/kube-proxy",
    ),
}


def phases_there(api: Api) -> set[str]:
    """Return the phases whose objects are all in the API."""
    return {phase for phase, paths in OBJECTS.items() if all(api.find(path) for path in paths)}


def is_marked(api: Api, node: str) -> bool:
    """Whether a node is there and bears the mark of a control plane, which phase mark-control-plane makes."""
    found = api.find(f"/api/v1/nodes/{node}")
    return found is not None and CONTROL_PLANE_LABEL in found["metadata"].get("labels", {})
