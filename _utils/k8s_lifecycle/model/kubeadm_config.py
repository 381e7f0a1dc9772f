"""The documents that kubeadm reads, as pure functions of the spec.

Reference: https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/
"""

import base64
from collections.abc import Mapping
from typing import Any

from k8s_lifecycle.model.leaves import differ, leaves
from k8s_lifecycle.model.merge import merge
from k8s_lifecycle.model.schema import Problem
from k8s_lifecycle.model.settings import Spec

API_SERVER_PORT = 6443
PATCHES = "/etc/kubernetes/patches"
KUBELET_PATCH = "kubeletconfiguration0+strategic.yaml"
INIT_TOKEN_TTL = "15m0s"  # noqa: S105
INIT_TOKEN_GROUP = "system:bootstrappers:k8s-lifecycle:nobody"  # noqa: S105
INIT_TOKEN_DESCRIPTION = "made by kubeadm init, unused"  # noqa: S105
STARTUP_TAINT = "k8s-lifecycle.io/startup"
CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane"

_KUBEADM = "kubeadm.k8s.io/v1beta4"
_CA = "/etc/kubernetes/pki/ca.crt"

# An admission is minted when its target is ready and the API answers, so neither wait is a long one.
_JOIN_TIMEOUTS = {"discovery": "1m0s", "tlsBootstrap": "2m0s"}

# What kubeadm fills in where nothing is asked for: a cluster that has something else had it in its spec once.
_DEFAULTS = {
    "caCertificateValidityPeriod": "87600h",
    "certificateValidityPeriod": "8760h",
    "certificatesDir": "/etc/kubernetes/pki",
    "dns.disabled": False,
    "encryptionAlgorithm": "RSA-2048",
    "etcd.local.dataDir": "/var/lib/etcd",
    "proxy.disabled": False,
}
_NOT_COMPARED = {"apiVersion", "kind", "kubernetesVersion"}
_SPEC_PATHS = {
    "clusterName": "name",
    "controlPlaneEndpoint": "control_plane.endpoint",
    "imageRepository": "images.repository",
    "networking.dnsDomain": "networks.dns_domain",
    "networking.podSubnet": "networks.pods",
    "networking.serviceSubnet": "networks.services",
    "controllerManager.extraArgs.node-cidr-mask-size": "networks.node_prefix",
}


def cluster_configuration(spec: Spec) -> dict[str, Any]:
    """Return the ClusterConfiguration, which `kubeadm init` stores in the cluster and every join reads."""
    endpoint, networks = spec.control_plane.endpoint, spec.networks
    generated = {
        "apiVersion": _KUBEADM,
        "kind": "ClusterConfiguration",
        "clusterName": spec.name,
        "kubernetesVersion": f"v{spec.version}",
        "controlPlaneEndpoint": endpoint.authority,
        "networking": {
            "podSubnet": networks.pods,
            "serviceSubnet": networks.services,
            "dnsDomain": networks.dns_domain,
        },
        # kubeadm leaves this out; the API server would then talk to a kubelet with any certificate.
        "apiServer": {"extraArgs": _arguments({"kubelet-certificate-authority": _CA})},
        "controllerManager": {"extraArgs": _arguments({"node-cidr-mask-size": str(networks.node_prefix)})},
    }
    if spec.images.repository is not None:
        generated["imageRepository"] = spec.images.repository
    merged = merge(generated, spec.kubeadm.cluster)
    names = [endpoint.host, endpoint.address, *merged["apiServer"].get("certSANs", ())]
    merged["apiServer"]["certSANs"] = list(dict.fromkeys(name for name in names if name))
    return merged


def kubelet_configuration(spec: Spec) -> dict[str, Any]:
    """Return the KubeletConfiguration of the cluster; kubeadm adds DNS and the CA."""
    generated = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "serverTLSBootstrap": True,
        "rotateCertificates": True,
    }
    return merge(generated, spec.kubelet)


def kube_proxy_configuration(spec: Spec) -> dict[str, Any]:
    """Return the KubeProxyConfiguration of the cluster; kubeadm adds the pod network."""
    generated = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration"}
    return merge(generated, spec.kube_proxy)


def init_documents(spec: Spec, *, server: str, address: str, token: str) -> list[dict[str, Any]]:
    """Return what `kubeadm init` reads on the first control plane server.

    address is the server's own, never a virtual one. kubeadm insists on a bootstrap token and would make one
    for a day; it gets `token`, for a quarter of an hour and in a group without rights, since it refuses one
    that cannot log in.
    """
    generated = {
        "apiVersion": _KUBEADM,
        "kind": "InitConfiguration",
        "nodeRegistration": _registration(spec, server, "control-plane", address, first=True),
        "localAPIEndpoint": _api_endpoint(address),
        "bootstrapTokens": [
            {
                "token": token,
                "ttl": INIT_TOKEN_TTL,
                "usages": ["authentication"],
                "groups": [INIT_TOKEN_GROUP],
                "description": INIT_TOKEN_DESCRIPTION,
            }
        ],
        "patches": {"directory": PATCHES},
        "skipPhases": ["show-join-command"],
    }
    return [
        merge(generated, spec.kubeadm.init),
        cluster_configuration(spec),
        kubelet_configuration(spec),
        kube_proxy_configuration(spec),
    ]


def join_documents(
    spec: Spec, *, server: str, role: str, address: str, discovery_file: str, token: str
) -> list[dict[str, Any]]:
    """Return what `kubeadm join` reads. It has the token in it.

    address is the server's own, never a virtual one; discovery_file is where the server has the kubeconfig of
    `discovery_kubeconfig`: the CA comes with the admission, and nothing is believed that the network says.
    """
    generated: dict[str, Any] = {
        "apiVersion": _KUBEADM,
        "kind": "JoinConfiguration",
        "nodeRegistration": _registration(spec, server, role, address),
        "discovery": {"file": {"kubeConfigPath": discovery_file}, "tlsBootstrapToken": token},
        "patches": {"directory": PATCHES},
        "timeouts": dict(_JOIN_TIMEOUTS),
    }
    if role == "control-plane":
        generated["controlPlane"] = {"localAPIEndpoint": _api_endpoint(address)}
    return [merge(generated, spec.kubeadm.join)]


def discovery_kubeconfig(spec: Spec, authority: str) -> dict[str, Any]:
    """Return the kubeconfig by which a join knows the API: its URL and its CA (PEM).

    It has the form of kubeadm's own cluster-info: without a context, which would need a user.
    """
    cluster = {
        "server": f"https://{spec.control_plane.endpoint.authority}",
        "certificate-authority-data": base64.b64encode(authority.encode()).decode(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "", "cluster": cluster}],
    }


def patches(spec: Spec, pool: str | None) -> dict[str, dict[str, Any]]:
    """Return the files of a server's patch directory by name: what its pool changes of the kubelet."""
    kubelet = spec.pools[pool].kubelet if pool else {}
    return {KUBELET_PATCH: dict(kubelet)} if kubelet else {}


def drift(spec: Spec, cluster: Mapping[str, Any], kubelet: Mapping[str, Any] | None = None) -> list[Problem]:
    """Return where the spec differs from the ClusterConfiguration and KubeletConfiguration in the cluster.

    Joins read those from the cluster. What changed in the spec alone would not reach a new node, so it is
    refused until an operation exists that rolls it out. The Kubernetes version is left to the upgrade. Of the
    kubelet only what the spec says is compared: what it no longer says looks like a default of kubeadm's.
    """
    wanted, found = leaves(cluster_configuration(spec)), leaves(cluster)
    if spec.images.repository is None:
        found.pop("imageRepository", None)
    problems = [
        _drifted(spec, _SPEC_PATHS.get(path, f"kubeadm.cluster.{path}"), wanted.get(path), found.get(path))
        for path in sorted({*wanted, *found} - _NOT_COMPARED)
        if _differ(path, wanted, found)
    ]
    if kubelet is None:
        return problems
    wanted, found = leaves(kubelet_configuration(spec)), leaves(kubelet)
    return problems + [
        _drifted(spec, f"kubelet.{path}", value, found.get(path))
        for path, value in sorted(wanted.items())
        if path not in _NOT_COMPARED and differ(value, found.get(path))
    ]


def _differ(path: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    values = [configuration.get(path, _DEFAULTS.get(path)) for configuration in (wanted, found)]
    if path.endswith("SANs"):
        return set(values[0] or ()) != set(values[1] or ())
    return differ(*values)


def _drifted(spec: Spec, path: str, wanted: Any, found: Any) -> Problem:
    here, there = ("not set" if value is None else repr(value) for value in (wanted, found))
    remedy = "remove it" if found is None else "write what the cluster has"
    problem = Problem(
        path, f"{here} in the spec, {there} in the cluster", f"{remedy}: no operation can change it yet"
    )
    return problem.within(spec.name)


def _registration(spec: Spec, server: str, role: str, address: str, *, first: bool = False) -> dict[str, Any]:
    """Return how a node registers; with the startup taint, which goes once the node has proved itself.

    Not so the first node: CoreDNS must run there, and without it no node can prove anything.
    """
    taints = [] if first else [{"key": STARTUP_TAINT, "effect": "NoSchedule"}]
    if role == "control-plane" and not spec.control_plane.schedulable:
        taints.append({"key": CONTROL_PLANE_TAINT, "effect": "NoSchedule"})
    return {
        "name": spec.node_name(server),
        "criSocket": "unix:///run/containerd/containerd.sock",
        "kubeletExtraArgs": _arguments({"node-ip": address}),
        "taints": taints,
        "ignorePreflightErrors": list(spec.kubeadm.ignore_preflight_errors),
    }


def _api_endpoint(address: str) -> dict[str, Any]:
    return {"advertiseAddress": address, "bindPort": API_SERVER_PORT}


def _arguments(arguments: Mapping[str, str]) -> list[dict[str, str]]:
    """Return command line arguments in the form of v1beta4, which lets an argument be there twice."""
    return [{"name": name, "value": value} for name, value in arguments.items()]
