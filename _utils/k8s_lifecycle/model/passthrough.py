"""Which fields of kubeadm, kubelet and kube-proxy this product sets itself and no pass-through may change."""

from collections.abc import Iterator, Mapping
from typing import Any

from k8s_lifecycle.model.schema import Problem
from k8s_lifecycle.model.settings import Spec

_DOCUMENT = {"apiVersion": "remove it: it follows kubernetes.version", "kind": "remove it: it is known"}
_REGISTRATION = {
    "nodeRegistration.name": "remove it: it is the minion id",
    "nodeRegistration.criSocket": "remove it: containerd is the runtime",
    "nodeRegistration.ignorePreflightErrors": "write kubeadm.ignore_preflight_errors",
    "nodeRegistration.taints": "write pools.NAME.taints or control_plane.schedulable",
    "nodeRegistration.kubeletExtraArgs.node-ip": "remove it: it is the server's own address",
    "nodeRegistration.kubeletExtraArgs.hostname-override": "remove it: it is the minion id",
    "patches": "write kubelet or pools.NAME.kubelet",
    "skipPhases": "remove it: a half-finished cluster could not be recognised",
    "dryRun": "remove it: use the runner's own plan",
}
CLUSTER = {
    **_DOCUMENT,
    "kubernetesVersion": "write kubernetes.version",
    "controlPlaneEndpoint": "write control_plane.endpoint",
    "clusterName": "remove it: it is the name of the file",
    "networking": "write networks",
    "imageRepository": "write images.repository",
    "certificatesDir": "remove it: certificates are looked after in /etc/kubernetes/pki",
    "etcd.external": "remove it: etcd runs on the control plane servers",
    "etcd.local.dataDir": "remove it: etcd's data is looked after in /var/lib/etcd",
    "apiServer.extraArgs.kubelet-certificate-authority": "remove it: kubelets' certificates are verified",
    "apiServer.extraArgs.advertise-address": "remove it: it is the server's own address",
    "apiServer.extraArgs.secure-port": "remove it: the API server is on 6443",
    "controllerManager.extraArgs.node-cidr-mask-size": "write networks.node_prefix",
}
INIT = {
    **_DOCUMENT,
    **_REGISTRATION,
    "localAPIEndpoint": "remove it: it is the server's own address",
    "bootstrapTokens": "remove it: tokens are made for each join",
    "certificateKey": "remove it: keys travel in sealed admissions only",
}
JOIN = {
    **_DOCUMENT,
    **_REGISTRATION,
    "controlPlane": "remove it: it follows control_plane.servers",
    "discovery": "remove it: it comes with each admission",
    "caCertPath": "remove it: certificates are looked after in /etc/kubernetes/pki",
}
KUBELET = {
    **_DOCUMENT,
    "serverTLSBootstrap": "remove it: kubelets have certificates of the cluster's CA",
    "rotateCertificates": "remove it: kubelets renew their certificates themselves",
    "clusterDNS": "write networks.services",
    "clusterDomain": "write networks.dns_domain",
    "staticPodPath": "remove it: kubeadm's manifests are in /etc/kubernetes/manifests",
    "registerWithTaints": "write pools.NAME.taints",
    "containerRuntimeEndpoint": "remove it: containerd is the runtime",
}
KUBE_PROXY = {
    **_DOCUMENT,
    "clusterCIDR": "write networks.pods",
    "clientConnection.kubeconfig": "remove it: kubeadm makes it",
}


def owned_fields(spec: Spec) -> Iterator[Problem]:
    """Yield each pass-through field that would change what the product sets itself."""
    places: list[tuple[str, Mapping[str, Any], Mapping[str, str]]] = [
        ("kubeadm.cluster", spec.kubeadm.cluster, CLUSTER),
        ("kubeadm.init", spec.kubeadm.init, INIT),
        ("kubeadm.join", spec.kubeadm.join, JOIN),
        ("kubelet", spec.kubelet, KUBELET),
        ("kube_proxy", spec.kube_proxy, KUBE_PROXY),
        *((f"pools.{name}.kubelet", pool.kubelet, KUBELET) for name, pool in spec.pools.items()),
    ]
    for path, fields, owned in places:
        for field, remedy in owned.items():
            if _has(fields, field.split(".")):
                yield Problem(f"{path}.{field}", "is set by this product", remedy)


def _has(fields: Any, names: list[str]) -> bool:
    """Tell whether a nested field is written; a list of {name, value} counts as a mapping."""
    if not names:
        return True
    if isinstance(fields, list | tuple):
        return any(isinstance(item, Mapping) and item.get("name") == names[0] for item in fields)
    return isinstance(fields, Mapping) and names[0] in fields and _has(fields[names[0]], names[1:])
