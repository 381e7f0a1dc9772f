"""What a site may write into the configuration of kubeadm, kubelet and kube-proxy.

Everything that this product does not set itself. kubeadm and kubelet only log a warning about a field that
they do not know, so kubeadm's, which are few and stable, are checked here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8s_lifecycle.model.schema import Problem, closest
from k8s_lifecycle.model.settings import Spec

_TYPE = {"apiVersion": "remove it: it follows kubernetes.version", "kind": "remove it: it is known"}
_NODE = {
    "nodeRegistration.name": "remove it: it is the minion id",
    "nodeRegistration.criSocket": "remove it: containerd is the runtime",
    "nodeRegistration.ignorePreflightErrors": "write kubeadm.ignore_preflight_errors",
    "nodeRegistration.taints": "write pools.NAME.taints or control_plane.schedulable",
    "nodeRegistration.kubeletExtraArgs.node-ip": "remove it: it is the server's own address",
    "nodeRegistration.kubeletExtraArgs.hostname-override": "remove it: it is the minion id",
    "patches": "write kubelet or pools.NAME.kubelet",
    "skipPhases": "remove it: a half-finished cluster could not be recognised",
    "dryRun": "remove it: the runner's plan shows what would be done",
}


@dataclass(frozen=True)
class Document:
    """One document: which fields are this product's, with what to do instead, and which are the site's."""

    owned: Mapping[str, str]
    known: frozenset[str] = field(default=frozenset())


CLUSTER = Document(
    {
        **_TYPE,
        "kubernetesVersion": "write kubernetes.version",
        "controlPlaneEndpoint": "write control_plane.endpoint",
        "clusterName": "remove it: it is the name of the file",
        "networking": "write networks",
        "imageRepository": "write images.repository",
        "certificatesDir": "remove it: certificates are looked after in /etc/kubernetes/pki",
        "etcd.external": "remove it: etcd runs on the control plane servers",
        "etcd.local.dataDir": "remove it: etcd's data is looked after in /var/lib/etcd",
        "apiServer.extraArgs.kubelet-certificate-authority": "remove it: kubelets have to prove who they are",
        "apiServer.extraArgs.advertise-address": "remove it: it is the server's own address",
        "apiServer.extraArgs.service-cluster-ip-range": "write networks.services",
        "apiServer.extraArgs.secure-port": "remove it: the API server is on 6443",
        "controllerManager.extraArgs.cluster-cidr": "write networks.pods",
        "controllerManager.extraArgs.service-cluster-ip-range": "write networks.services",
        "controllerManager.extraArgs.node-cidr-mask-size": "write networks.node_prefix",
    },
    frozenset(
        {
            "apiServer",
            "caCertificateValidityPeriod",
            "certificateValidityPeriod",
            "controllerManager",
            "dns",
            "encryptionAlgorithm",
            "etcd",
            "featureGates",
            "proxy",
            "scheduler",
        }
    ),
)
INIT = Document(
    {
        **_TYPE,
        **_NODE,
        "localAPIEndpoint": "remove it: it is the server's own address",
        "bootstrapTokens": "remove it: tokens are made for each join",
        "certificateKey": "remove it: keys travel in sealed admissions only",
    },
    frozenset({"nodeRegistration", "timeouts"}),
)
JOIN = Document(
    {
        **_TYPE,
        **_NODE,
        "controlPlane": "remove it: it follows control_plane.servers",
        "discovery": "remove it: it comes with each admission",
        "caCertPath": "remove it: certificates are looked after in /etc/kubernetes/pki",
    },
    frozenset({"nodeRegistration", "timeouts"}),
)
KUBELET = Document(
    {
        **_TYPE,
        "serverTLSBootstrap": "remove it: kubelets get their certificates from the cluster's CA",
        "rotateCertificates": "remove it: kubelets renew their certificates themselves",
        "clusterDNS": "write networks.services",
        "clusterDomain": "write networks.dns_domain",
        "staticPodPath": "remove it: kubeadm's manifests are in /etc/kubernetes/manifests",
        "registerWithTaints": "write pools.NAME.taints",
        "containerRuntimeEndpoint": "remove it: containerd is the runtime",
    }
)
KUBE_PROXY = Document({**_TYPE, "clusterCIDR": "write networks.pods"})


def problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with the pass-throughs of a cluster."""
    places = [
        ("kubeadm.cluster", spec.kubeadm.cluster, CLUSTER),
        ("kubeadm.init", spec.kubeadm.init, INIT),
        ("kubeadm.join", spec.kubeadm.join, JOIN),
        ("kubelet", spec.kubelet, KUBELET),
        ("kube_proxy", spec.kube_proxy, KUBE_PROXY),
        *((f"pools.{name}.kubelet", pool.kubelet, KUBELET) for name, pool in spec.pools.items()),
    ]
    for path, written, document in places:
        yield from _owned(path, written, document)
        yield from _unknown(path, written, document)
        yield from _misshapen(path, written)


def _owned(path: str, written: Mapping[str, Any], document: Document) -> Iterator[Problem]:
    for name, remedy in document.owned.items():
        if _is_written(written, name.split(".")):
            yield Problem(f"{path}.{name}", "is set by this product", remedy)


def _unknown(path: str, written: Mapping[str, Any], document: Document) -> Iterator[Problem]:
    if not document.known:
        return
    owned = {name.partition(".")[0] for name in document.owned}
    for name in sorted(set(written) - document.known - owned):
        guess = closest(name, document.known)
        remedy = f"did you mean '{guess}'?" if guess else f"known here: {', '.join(sorted(document.known))}"
        yield Problem(f"{path}.{name}", "is not a field of kubeadm.k8s.io/v1beta4", remedy)


def _misshapen(path: str, written: Any) -> Iterator[Problem]:
    """Yield arguments in the form that kubeadm had before v1beta4, or with a number where it wants text."""
    if not isinstance(written, Mapping):
        return
    for key, value in written.items():
        here = f"{path}.{key}"
        if key not in {"extraArgs", "kubeletExtraArgs"}:
            yield from _misshapen(here, value)
        elif not isinstance(value, list | tuple):
            yield Problem(
                here, "is not a list", "write [{name: v, value: '4'}]: v1beta4 has a list of arguments"
            )
        elif not all(_is_argument(item) for item in value):
            yield Problem(
                here, "has an item that is no argument", "write {name: v, value: '4'}, both as text"
            )


def _is_argument(item: Any) -> bool:
    return (
        isinstance(item, Mapping)
        and item.keys() == {"name", "value"}
        and all(isinstance(text, str) for text in item.values())
    )


def _is_written(written: Any, names: list[str]) -> bool:
    """Tell whether a nested field is written; a list of {name, value} counts as a mapping."""
    if not names:
        return True
    if isinstance(written, list | tuple):
        return any(isinstance(item, Mapping) and item.get("name") == names[0] for item in written)
    return isinstance(written, Mapping) and names[0] in written and _is_written(written[names[0]], names[1:])
