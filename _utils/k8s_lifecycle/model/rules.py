"""What must hold between the settings of one cluster, each rule once.

A rule is skipped when a setting that it reads is broken or an earlier rule objected to it, so that one
mistake gives one message. The order of the rules therefore matters: the basic ones come first.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from k8s_lifecycle.model import claims, passthrough
from k8s_lifecycle.model.schema import Problem, Reader
from k8s_lifecycle.model.settings import Flannel, Spec
from k8s_lifecycle.model.versions import OLDEST_SUPPORTED_MINOR

# Ports that a control plane server already uses on all addresses, or that kubeadm's preflight wants free.
CONTROL_PLANE_PORTS = {
    2379: "etcd",
    2380: "etcd",
    2381: "etcd's metrics",
    6443: "kube-apiserver",
    10248: "kubelet",
    10249: "kube-proxy",
    10250: "kubelet",
    10256: "kube-proxy",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
}
NODE_PORTS = range(30000, 32768)
OLDEST_CONTAINERD_MAJOR = 2
DEFAULT_MAX_PODS = 110
# Limits that kubeadm checks too (cmd/kubeadm/app/constants), but only on the server.
LARGEST_NODE_SHARE = 16
LARGEST_SERVICE_BITS = 20
SMALLEST_SERVICE_BITS = 4
RESERVED_LABELS = re.compile(
    r"(kubernetes\.io/(hostname|os|arch)|node-role\.kubernetes\.io/control-plane|k8s-lifecycle\.io/.*)"
)
RESERVED_TAINTS = re.compile(r"(node(-role)?\.kubernetes\.io|k8s-lifecycle\.io)/.*")
NEEDED_SYSCTLS = {
    "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
}

Check = Callable[[Spec], Iterator[Problem]]


@dataclass(frozen=True)
class Rule:
    """A check and the settings it reads."""

    check: Check
    reads: tuple[str, ...]


RULES: list[Rule] = []


def rule(*reads: str) -> Callable[[Check], Check]:
    """Register a check together with the paths of the settings it reads."""

    def register(check: Check) -> Check:
        RULES.append(Rule(check, reads))
        return check

    return register


def check(spec: Spec, reader: Reader) -> None:
    """Report what is wrong between the settings of a cluster."""
    for each in RULES:
        if all(reader.is_sound(path) for path in each.reads):
            for problem in each.check(spec):
                reader.report(problem)


@rule("kubernetes.version")
def _supported_version(spec: Spec) -> Iterator[Problem]:
    if not spec.version.supported:
        yield Problem(
            "kubernetes.version",
            f"{spec.version} is not supported",
            f"write a version from 1.{OLDEST_SUPPORTED_MINOR}.0 on",
        )


@rule("packages.containerd.version")
def _supported_containerd(spec: Spec) -> Iterator[Problem]:
    version = spec.packages.containerd.version
    if int(re.split(r"\D", version.rpartition(":")[2])[0]) < OLDEST_CONTAINERD_MAJOR:
        yield Problem(
            "packages.containerd.version",
            f"{version} is too old: Kubernetes from 1.36 on needs containerd 2",
            f"write a version from {OLDEST_CONTAINERD_MAJOR}.0 on",
        )


@rule(*claims.READS)
def _one_place_per_server(spec: Spec) -> Iterator[Problem]:
    for claim, rivals in claims.conflicts(claims.claims(spec)):
        yield claim.problem(rivals)


@rule("control_plane.servers")
def _odd_control_plane(spec: Spec) -> Iterator[Problem]:
    count = len(spec.control_plane.servers)
    if count % 2 == 0:
        yield Problem(
            "control_plane.servers",
            f"{count} servers tolerate no more failures than {count - 1}: etcd needs a majority",
            f"name {count - 1} or {count + 1} servers",
        )


@rule("control_plane.endpoint")
def _endpoint_is_complete(spec: Spec) -> Iterator[Problem]:
    endpoint, path = spec.control_plane.endpoint, "control_plane.endpoint"
    if endpoint.kind == "managed":
        if endpoint.address is None:
            yield Problem(
                f"{path}.address",
                "missing",
                "write a free address in the network of the control plane servers",
            )
        if endpoint.virtual_router_id is None:
            yield Problem(
                f"{path}.virtual_router_id",
                "missing",
                "write a number from 1 to 255 that the datacenter has not used",
            )
        return
    if endpoint.host is None and endpoint.address is None:
        yield Problem(f"{path}.host", "missing", "write the name or address of the external load balancer")
    for key in ("virtual_router_id", "interface"):
        if getattr(endpoint, key) is not None:
            yield Problem(
                f"{path}.{key}", "is of no use to an external endpoint", "remove it, or write kind: managed"
            )


@rule("control_plane.endpoint.kind", "control_plane.endpoint.port")
def _endpoint_port_is_free(spec: Spec) -> Iterator[Problem]:
    endpoint, path = spec.control_plane.endpoint, "control_plane.endpoint.port"
    if endpoint.kind != "managed":
        return
    if endpoint.port in CONTROL_PLANE_PORTS:
        owner = CONTROL_PLANE_PORTS[endpoint.port]
        yield Problem(
            path, f"{endpoint.port} is the port of {owner} on the same servers", "write another, such as 8443"
        )
    elif endpoint.port in NODE_PORTS:
        yield Problem(
            path, f"{endpoint.port} is in the range of NodePort services", "write another, such as 8443"
        )


@rule("networks.services")
def _services_have_the_right_size(spec: Spec) -> Iterator[Problem]:
    bits = 32 - ipaddress.ip_network(spec.networks.services).prefixlen
    if not SMALLEST_SERVICE_BITS <= bits <= LARGEST_SERVICE_BITS:
        yield Problem(
            "networks.services",
            f"{spec.networks.services} is too {'large' if bits > LARGEST_SERVICE_BITS else 'small'}",
            f"write a prefix length from {32 - LARGEST_SERVICE_BITS} to {32 - SMALLEST_SERVICE_BITS}",
        )


@rule("networks.pods", "networks.services")
def _networks_are_apart(spec: Spec) -> Iterator[Problem]:
    pods, services = ipaddress.ip_network(spec.networks.pods), ipaddress.ip_network(spec.networks.services)
    if pods.overlaps(services):
        yield Problem(
            "networks.services", f"{services} overlaps networks.pods {pods}", "write networks that are apart"
        )


@rule("networks.pods", "networks.services", "control_plane.endpoint.address")
def _endpoint_is_outside(spec: Spec) -> Iterator[Problem]:
    address = spec.control_plane.endpoint.address
    for name in ("pods", "services"):
        network = getattr(spec.networks, name)
        if address and ipaddress.ip_address(address) in ipaddress.ip_network(network):
            yield Problem(
                "control_plane.endpoint.address",
                f"{address} is inside networks.{name} {network}",
                "write an address of the servers' own network",
            )


@rule("networks.pods", "networks.node_prefix", *claims.READS)
def _pods_have_room(spec: Spec) -> Iterator[Problem]:
    pods, path = ipaddress.ip_network(spec.networks.pods), "networks.node_prefix"
    bits = spec.networks.node_prefix - pods.prefixlen
    nodes = sum(not claim.is_glob for claim in claims.claims(spec))
    if bits < 0:
        yield Problem(
            path,
            f"{spec.networks.node_prefix} is larger than networks.pods {pods}",
            f"write a number above {pods.prefixlen}",
        )
    elif bits > LARGEST_NODE_SHARE:
        yield Problem(
            path,
            f"{spec.networks.node_prefix} divides {pods} into more shares than Kubernetes can count",
            f"write at most {pods.prefixlen + LARGEST_NODE_SHARE}",
        )
    elif 2**bits < nodes:
        yield Problem(
            "networks.pods",
            f"{pods} has room for {2**bits} nodes (networks.node_prefix), and {nodes} servers are named",
            "write a larger network, or a larger networks.node_prefix",
        )


@rule("networks.node_prefix", "kubelet")
def _nodes_have_room(spec: Spec) -> Iterator[Problem]:
    addresses = 2 ** (32 - spec.networks.node_prefix) - 2
    if "maxPods" not in spec.kubelet and addresses < DEFAULT_MAX_PODS:
        yield Problem(
            "networks.node_prefix",
            f"{spec.networks.node_prefix} gives a node {addresses} addresses for its {DEFAULT_MAX_PODS} pods",
            f"write a smaller number, or kubelet.maxPods: {addresses}",
        )


@rule("networks.node_prefix", "kubelet", "pools.*.kubelet")
def _pods_fit_into_nodes(spec: Spec) -> Iterator[Problem]:
    addresses = 2 ** (32 - spec.networks.node_prefix) - 2
    kubelets = {
        "kubelet": spec.kubelet,
        **{f"pools.{name}.kubelet": pool.kubelet for name, pool in spec.pools.items()},
    }
    for path, kubelet in kubelets.items():
        pods = kubelet.get("maxPods")
        if isinstance(pods, int) and pods > addresses:
            yield Problem(
                f"{path}.maxPods",
                f"{pods} pods do not fit into the {addresses} addresses of networks.node_prefix",
                f"write at most {addresses}, or a smaller networks.node_prefix",
            )


@rule("network_addon")
def _addon_is_complete(spec: Spec) -> Iterator[Problem]:
    addon = spec.network_addon
    if addon.kind == "manifest" and not addon.source:
        yield Problem("network_addon.source", "missing", "write the salt:// file with the addon's manifest")
    if addon.kind != "manifest" and addon.source:
        yield Problem(
            "network_addon.source", f"is of no use to kind {addon.kind}", "remove it, or write kind: manifest"
        )
    if addon.kind == "none" and addon.values:
        yield Problem("network_addon.values", "is of no use to kind none", "remove it")
    if addon.kind == "flannel":
        reader = Reader()
        reader.section(Flannel, "network_addon.values", addon.values)
        yield from reader.problems


@rule("pools.*.labels")
def _labels_are_ours(spec: Spec) -> Iterator[Problem]:
    for name, pool in spec.pools.items():
        for key in filter(RESERVED_LABELS.fullmatch, pool.labels):
            yield Problem(
                f"pools.{name}.labels.{key}",
                "belongs to Kubernetes or to this product",
                "use a label of your own",
            )


@rule("pools.*.taints")
def _taints_are_ours(spec: Spec) -> Iterator[Problem]:
    for name, pool in spec.pools.items():
        seen: set[tuple[str, str]] = set()
        for index, taint in enumerate(pool.taints):
            path = f"pools.{name}.taints[{index}]"
            if RESERVED_TAINTS.fullmatch(taint.key):
                yield Problem(
                    f"{path}.key",
                    f"'{taint.key}' belongs to Kubernetes or to this product",
                    "use a key of your own",
                )
            if (taint.key, taint.effect) in seen:
                yield Problem(
                    path, f"a second taint '{taint.key}' with effect {taint.effect}", "keep one of them"
                )
            seen.add((taint.key, taint.effect))


@rule("sysctl")
def _forwarding_stays_on(spec: Spec) -> Iterator[Problem]:
    for key in sorted(NEEDED_SYSCTLS & {key.replace("/", ".") for key in spec.sysctl}):
        if spec.sysctl.get(key) != "1":
            yield Problem(f"sysctl.{key}", "Kubernetes needs it to be 1, and it is set already", "remove it")


@rule("kubelet", "pools.*.kubelet", "kubeadm", "kube_proxy")
def _passthroughs_leave_ours_alone(spec: Spec) -> Iterator[Problem]:
    yield from passthrough.problems(spec)
