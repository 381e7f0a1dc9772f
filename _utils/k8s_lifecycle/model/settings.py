"""The cluster spec as a table: every key with its type, default, check and documentation.

docs/spec-reference.md is generated from these classes, so the texts here are written for operators.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from k8s_lifecycle.model import kinds
from k8s_lifecycle.model.schema import ListOf, MapOf, Section, plain, setting, settings
from k8s_lifecycle.model.versions import Version

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MINUTES = 24 * 60


@settings
class Kubernetes:
    """What version the cluster runs."""

    version: str = setting(kinds.VERSION, "The Kubernetes version, with its patch. From 1.34 on.")


@settings
class Endpoint:
    """Where clients find the API of the cluster."""

    kind: str = setting(
        kinds.choice("managed", "external"),
        "`managed`: keepalived and haproxy on the control plane, set up for you. "
        "`external`: a load balancer that the site runs.",
        default="managed",
    )
    host: str = setting(
        kinds.HOST,
        "The name of the API, which goes into certificates and kubeconfigs and cannot be changed later. "
        "Every server must be able to resolve it before anything starts.",
        default=None,
        derived="the address",
    )
    address: str | None = setting(
        kinds.ADDRESS,
        "The virtual address of a managed endpoint, free and in the network of the control plane servers.",
        default=None,
        derived="**required** if managed",
    )
    port: int = setting(
        kinds.whole(1, 65535),
        "The port clients connect to. A managed endpoint has one of its own, since 6443 is the API server's.",
        default=8443,
    )
    virtual_router_id: int | None = setting(
        kinds.whole(1, 255),
        "The VRRP number of a managed endpoint, used once per datacenter.",
        default=None,
        derived="**required** if managed",
    )
    interface: str | None = setting(
        kinds.INTERFACE,
        "The network interface that carries the virtual address of a managed endpoint.",
        default=None,
        derived="the interface with the default route",
    )

    @property
    def authority(self) -> str:
        """Return host and port as URLs and kubeadm's controlPlaneEndpoint have them."""
        return f"{self.host}:{self.port}"


@settings
class ControlPlane:
    """The servers that run the API and etcd."""

    servers: tuple[str, ...] = setting(
        ListOf(kinds.MINION, minimum=1),
        "The minion ids of the control plane servers, an odd number of them, each by name.",
    )
    schedulable: bool = setting(
        kinds.FLAG,
        "`true` lets ordinary pods run on control plane nodes too, for small clusters.",
        default=False,
    )
    endpoint: Endpoint = setting(Section(Endpoint), "Where clients find the API.")


@settings
class Taint:
    """A mark on a node that keeps pods away."""

    key: str = setting(kinds.LABEL_KEY, "The name of the taint.")
    value: str = setting(kinds.LABEL_VALUE, "The value of the taint.", default="")
    effect: str = setting(
        kinds.choice("NoSchedule", "PreferNoSchedule", "NoExecute"), "What the taint does to pods."
    )


@settings
class Pool:
    """A named group of workers that are alike."""

    servers: tuple[str, ...] = setting(
        ListOf(kinds.MINION_GLOB),
        "The workers of the pool: minion ids, or globs with `*` and `?`. A server may be in one pool only.",
        default=(),
    )
    grains: Mapping[str, str] = setting(
        MapOf(kinds.GRAIN, kinds.SCALAR_TEXT),
        "Only servers with these grains are in the pool: grains narrow `servers`, they never add any.",
        default={},
    )
    labels: Mapping[str, str] = setting(
        MapOf(kinds.LABEL_KEY, kinds.LABEL_VALUE), "Labels that the nodes of the pool carry.", default={}
    )
    taints: tuple[Taint, ...] = setting(
        ListOf(Section(Taint, label="a taint")), "Taints that the nodes of the pool carry.", default=()
    )
    kubelet: Mapping[str, Any] = setting(
        kinds.PASSTHROUGH, "KubeletConfiguration fields for this pool, over those of the cluster.", default={}
    )
    join: str = setting(
        kinds.choice("auto", "provision"),
        "`auto`: a new server of the pool joins by its own highstate. "
        "`provision`: only when an operator runs provision.",
        default="auto",
    )
    max_unavailable: int = setting(
        kinds.whole(1, 1000),
        "How many nodes of the pool may be out of service at once in a rolling operation.",
        default=1,
    )


@settings
class Networks:
    """The address ranges inside the cluster. They cannot be changed later."""

    pods: str = setting(kinds.CIDR, "The addresses of pods.", default="10.244.0.0/16")
    services: str = setting(kinds.CIDR, "The addresses of services.", default="10.96.0.0/12")
    node_prefix: int = setting(
        kinds.whole(1, 30),
        "The prefix length of each node's share of `pods`: 24 gives a node 254 pod addresses.",
        default=24,
    )
    dns_domain: str = setting(kinds.DNS, "The DNS domain of services.", default="cluster.local")


@settings
class Flannel:
    """The values of the flannel network addon."""

    image: str = setting(kinds.IMAGE, "The flannel image, with a shell, as upstream's has it.")
    cni_plugin_image: str = setting(kinds.IMAGE, "The image with flannel's CNI plugin.")
    backend: str = setting(
        kinds.choice("vxlan", "host-gw"),
        "How packets travel between nodes; `host-gw` needs all nodes in one network.",
        default="vxlan",
    )
    interface: str | None = setting(
        kinds.INTERFACE,
        "The interface between the nodes.",
        default=None,
        derived="the interface with the node's address",
    )


@settings
class NetworkAddon:
    """What connects pods across nodes."""

    kind: str = setting(
        kinds.choice("flannel", "manifest", "none"),
        "`flannel`: comes with this package. `manifest`: a file of the site, see `source`. "
        "`none`: the site installs a network of its own, and nodes stay NotReady until it does.",
        default="flannel",
    )
    source: str = setting(
        kinds.SALT_URL,
        "For `manifest`: the salt:// file with the Kubernetes objects, a Jinja template over `values`.",
        default="",
    )
    values: Mapping[str, Any] = setting(
        kinds.PASSTHROUGH,
        "What the addon's manifest is rendered with. For `flannel`: see below.",
        default={},
    )


@settings
class Repository:
    """An apt repository of the site."""

    url: str = setting(kinds.WEB_URL, "The base URL.")
    suite: str = setting(
        kinds.SUITE,
        "The suite; one that ends with / is the path of a flat repository, as pkgs.k8s.io has them.",
    )
    components: tuple[str, ...] = setting(
        ListOf(kinds.COMPONENT, minimum=1), "The components; a flat repository has none.", default=("main",)
    )
    key: str = setting(kinds.KEY_SOURCE, "Where the key that signs the repository is: http(s):// or salt://.")

    @property
    def is_flat(self) -> bool:
        """Whether its index lies beside its packages: sources.list(5), "flat repository format"."""
        return self.suite.endswith("/")


@settings
class Package:
    """One package, pinned."""

    name: str = setting(kinds.PACKAGE, "The name of the package.", default="containerd.io")
    version: str = setting(kinds.DEBIAN_VERSION, "The exact version, as `apt-cache policy` shows it.")


@settings
class Packages:
    """Where packages come from, and which."""

    repository: Repository | None = setting(
        Section(Repository),
        "The repository with kubeadm, kubelet, kubectl and containerd.",
        default=None,
        derived="the apt sources that the servers have already",
    )
    revision: str = setting(
        kinds.DEBIAN_REVISION,
        'The Debian revision of the Kubernetes packages: "1.1" in `kubelet=1.37.2-1.1`.',
        default="1.1",
    )
    containerd: Package = setting(Section(Package), "The container runtime, from version 2.0 on.")


@settings
class Images:
    """Where images come from."""

    repository: str | None = setting(
        kinds.IMAGE_PREFIX,
        "Where the images of Kubernetes itself are.",
        default=None,
        derived="kubeadm's own",
    )
    pause: str | None = setting(
        kinds.IMAGE,
        "The pause image.",
        default=None,
        derived="`pause` in `repository` with kubeadm's tag; without a `repository`, containerd's own",
    )
    smoke_check: str = setting(
        kinds.IMAGE,
        "A small image with busybox (`httpd`, `nslookup`, `timeout`, `wget`), which checks every new node.",
        default="busybox:1.36",
    )
    mirrors: Mapping[str, tuple[str, ...]] = setting(
        MapOf(kinds.HOST_PORT, ListOf(kinds.WEB_URL, minimum=1)),
        "For each registry, the URLs to pull from instead, in order. `_default` stands for all others.",
        default={},
    )


@settings
class Python:
    """Where control plane servers get the Kubernetes client for Salt from."""

    index: str | None = setting(
        kinds.WEB_URL, "The Python package index.", default=None, derived="pip's configuration on the servers"
    )
    kubernetes_client: str = setting(
        kinds.VERSION, "The version of the `kubernetes` package.", default="37.0.2"
    )


@settings
class Kubeadm:
    """kubeadm's own configuration (kubeadm.k8s.io/v1beta4), merged over what is generated."""

    cluster: Mapping[str, Any] = setting(kinds.PASSTHROUGH, "ClusterConfiguration fields.", default={})
    init: Mapping[str, Any] = setting(kinds.PASSTHROUGH, "InitConfiguration fields.", default={})
    join: Mapping[str, Any] = setting(kinds.PASSTHROUGH, "JoinConfiguration fields.", default={})
    ignore_preflight_errors: tuple[str, ...] = setting(
        ListOf(kinds.PREFLIGHT_CHECK), "kubeadm preflight checks whose errors do not stop it.", default=()
    )


@settings
class Limits:
    """How much may happen at once, and how much may fail."""

    concurrency: int = setting(
        kinds.whole(1, 500), "How many workers are worked on at the same time.", default=10
    )
    max_failures: int | str = setting(
        kinds.COUNT_OR_SHARE,
        "After how many failed workers nothing new starts: a count, or a share of the workers of the run.",
        default=1,
    )

    def failures_allowed(self, servers: int) -> int:
        """Return how many of so many servers may fail before nothing new is started."""
        if isinstance(self.max_failures, str):
            return servers * int(self.max_failures.rstrip("%")) // 100
        return self.max_failures


@settings
class Maintenance:
    """When highstate may do by itself what is else an operator's to do."""

    windows: tuple[str, ...] = setting(
        ListOf(kinds.MAINTENANCE_WINDOW),
        "When highstate renews leaf certificates that expire soon: a day of the week, and times in UTC; one "
        "that ends before it begins ends on the next day. Never, if empty.",
        default=(),
    )

    def is_open(self, now: datetime) -> bool:
        """Whether a window is open at this moment, in UTC."""
        return any(_contains(window, now) for window in self.windows)


def _contains(window: str, now: datetime) -> bool:
    day, times = window.split(" ")
    begins, ends = (int(time[:2]) * 60 + int(time[3:]) for time in times.split("-"))
    length = (ends - begins) % DAY_MINUTES
    since_monday = now.weekday() * DAY_MINUTES + now.hour * 60 + now.minute
    begun_for = (since_monday - DAYS.index(day) * DAY_MINUTES - begins) % (7 * DAY_MINUTES)
    return begun_for < length


@settings
class Spec:
    """What one cluster should be."""

    name: str = setting(
        kinds.CLUSTER_NAME,
        "The cluster's name. It is the name of the file; written here too, it must be the same.",
        derived="the name of the file",
    )
    datacenter: str = setting(
        kinds.IDENTIFIER, "The datacenter, which must be the one where all servers are."
    )
    environment: str = setting(kinds.IDENTIFIER, "The environment, such as `prod` or `staging`.")
    kubernetes: Kubernetes = setting(Section(Kubernetes), "What the cluster runs.")
    control_plane: ControlPlane = setting(Section(ControlPlane), "The servers with the API and etcd.")
    pools: Mapping[str, Pool] = setting(
        MapOf(kinds.POOL_NAME, Section(Pool, label="a pool")),
        "The workers, in named groups that are alike.",
        default={},
    )
    spares: tuple[str, ...] = setting(
        ListOf(kinds.MINION_GLOB),
        "Servers, by minion id or glob, that are prepared and wait to replace others.",
        default=(),
    )
    networks: Networks = setting(Section(Networks), "The address ranges inside the cluster.", default={})
    network_addon: NetworkAddon = setting(
        Section(NetworkAddon), "What connects pods across nodes.", default={}
    )
    packages: Packages = setting(Section(Packages), "Where packages come from, and which.")
    images: Images = setting(Section(Images), "Where images come from.", default={})
    python: Python = setting(Section(Python), "Where the Kubernetes client for Salt comes from.", default={})
    time_servers: tuple[str, ...] = setting(
        ListOf(kinds.HOST),
        "NTP servers, by name or address.",
        default=(),
        derived="what the distribution sets up",
    )
    kubeadm: Kubeadm = setting(Section(Kubeadm), "Pass-through for kubeadm.", default={})
    kubelet: Mapping[str, Any] = setting(
        kinds.PASSTHROUGH, "KubeletConfiguration fields, merged over what is generated.", default={}
    )
    kube_proxy: Mapping[str, Any] = setting(
        kinds.PASSTHROUGH, "KubeProxyConfiguration fields, merged over what is generated.", default={}
    )
    containerd: Mapping[str, Any] = setting(
        kinds.PASSTHROUGH,
        "containerd's configuration (config.toml, version 3), merged over what is generated.",
        default={},
    )
    sysctl: Mapping[str, str] = setting(
        MapOf(kinds.SYSCTL, kinds.SCALAR_TEXT),
        "More kernel settings, besides those that Kubernetes needs.",
        default={},
    )
    kernel_modules: tuple[str, ...] = setting(
        ListOf(kinds.MODULE),
        "Kernel modules to load. Empty where all is built in.",
        default=("overlay", "br_netfilter"),
    )
    limits: Limits = setting(
        Section(Limits), "How much may happen at once, and how much may fail.", default={}
    )
    maintenance: Maintenance = setting(
        Section(Maintenance), "When highstate may do what is else an operator's to do.", default={}
    )

    @property
    def version(self) -> Version:
        """Return the version that the cluster should run."""
        return Version.parse(self.kubernetes.version)

    def at_version(self, version: str) -> "Spec":
        """Return this spec for another Kubernetes version: the one that the cluster runs now."""
        return replace(self, kubernetes=replace(self.kubernetes, version=version))

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain data, defaults filled in; `spec.from_dict` reads it back."""
        data: dict[str, Any] = plain(self)
        return data

    @staticmethod
    def node_name(server: str) -> str:
        """Return the name of the Node of a server: its minion id in lower case."""
        return server.lower()

    def role_of(self, server: str, grains: Mapping[str, Any] | None = None) -> str | None:
        """Return `control-plane`, `worker` or `spare`, or None for a server that is not of this cluster."""
        if server in self.control_plane.servers:
            return "control-plane"
        if self.pool_of(server, grains) is not None:
            return "worker"
        return "spare" if names(self.spares, server) else None

    def pool_of(self, server: str, grains: Mapping[str, Any] | None = None) -> str | None:
        """Return the pool of a worker; grains, if given, must have what the pool asks for."""
        for name, pool in self.pools.items():
            if names(pool.servers, server):
                return name if grains is None or _has(grains, pool.grains) else None
        return None


def _has(grains: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(key in grains and str(grains[key]) == value for key, value in wanted.items())


def names(patterns: tuple[str, ...], server: str) -> bool:
    """Tell whether ids or globs name a server; ids first, since thousands of them are compared."""
    return server in patterns or any(fnmatchcase(server, one) for one in patterns if is_glob(one))


def is_glob(pattern: str) -> bool:
    """Tell whether it is no minion id in full."""
    return "*" in pattern or "?" in pattern
