"""Everything that would keep a bare server from becoming a node, found at once and said in a line each.

The checks only compare; what they compare is read by `observation`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from k8s_lifecycle.model import endpoint
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import kubelet, packages
from k8s_lifecycle.server.sources import Source

CLOCK_TOLERANCE = 2.0
# The master's clock was read when the job was published: a server may seem that much ahead without being so.
DELIVERY = 10.0
OLDEST_PYTHON = (3, 11)
MIB = 1024**2
GIB = 1024**3

# kubeadm's own minimum for a control plane; a worker needs what kubelet, containerd and kube-proxy take.
MINIMUM = {"control-plane": (2, 1700 * MIB), "worker": (1, 900 * MIB)}
ROOM = {"/var/lib/containerd": 3 * GIB, "/var/lib/kubelet": GIB, "/var/log": GIB // 2}
ROOM_ON_CONTROL_PLANE = {"/var/lib/etcd": 2 * GIB}
# Below these shares of free space the kubelet evicts pods (its evictionHard defaults).
EVICTION = {"/var/lib/kubelet": 0.10, "/var/lib/containerd": 0.15}

KUBELET_PORTS = {10250: "kubelet", 10256: "kube-proxy"}
CONTROL_PLANE_PORTS = {
    2379: "etcd",
    2380: "etcd",
    6443: "kube-apiserver",
    10257: "kube-controller-manager",
    10259: "kube-scheduler",
}

CONTROLLERS = {
    1: {"cpu", "cpuacct", "cpuset", "devices", "memory", "pids"},
    2: {"cpu", "cpuset", "memory", "pids"},
}
REFUSES_CGROUP_1 = (1, 35)
FOREIGN = ("containerd-shim", "k0s", "k3s", "kubelet", "kubelite", "rke2")


@dataclass(frozen=True)
class Question:
    """What a server is asked to become, and what is known of the others."""

    spec: Spec
    role: str
    pool: str | None
    machine_ids: Mapping[str, str]
    clock: float

    @property
    def control_plane(self) -> bool:
        """Whether the server is to run the API and etcd."""
        return self.role == "control-plane"

    @property
    def managed_endpoint(self) -> bool:
        """Whether the server is to carry the endpoint of the API."""
        return endpoint.is_managed(self.spec, self.role)

    def kubelet(self, field: str) -> object:
        """Return a field of the kubelet's configuration as the spec has it, the pool before the cluster."""
        return kubelet.wanted(self.spec, self.pool).get(field)

    def ignores(self, check: str) -> bool:
        """Whether the site told kubeadm to ignore its check of the same name."""
        return bool(
            {check.lower(), "all"} & {name.lower() for name in self.spec.kubeadm.ignore_preflight_errors}
        )


@dataclass(frozen=True)
class Disk:
    """A file system: where it is mounted, its size and its free bytes."""

    mount: str
    size: int
    free: int


@dataclass(frozen=True)
class Observation:
    """What the checks compare."""

    machine_id: str
    clock: float
    python: tuple[int, int]
    cpus: int
    memory: int
    swaps: tuple[str, ...]
    listeners: Mapping[int, str]
    disks: Mapping[str, Disk]
    cgroup_version: int
    controllers: frozenset[str]
    processes: frozenset[str]
    interfaces: frozenset[str]
    default_interface: str | None
    installed: frozenset[str]
    endpoint: frozenset[str] | str
    errors: Mapping[Source, str]
    offered: Mapping[str, frozenset[str]]


Check = Callable[[Question, Observation], Iterator[str]]


def problems(question: Question, seen: Observation) -> list[str]:
    """Return every problem, each with what to do about it."""
    return [problem for check in CHECKS for problem in check(question, seen)]


def _identity(question: Question, seen: Observation) -> Iterator[str]:
    twins = sorted(server for server, other in question.machine_ids.items() if other == seen.machine_id)
    if twins:
        yield (
            f"its machine id {seen.machine_id} is also that of {', '.join(twins)} (a cloned disk?) —"
            " `rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup` on one, and reboot it"
        )


def _clock(question: Question, seen: Observation) -> Iterator[str]:
    ahead = seen.clock - question.clock
    if not -CLOCK_TOLERANCE <= ahead <= CLOCK_TOLERANCE + DELIVERY:
        off = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"
        yield (
            f"its clock is {off} the master's: certificates and tokens would not be valid yet, or no longer —"
            " see `chronyc tracking` and `chronyc sources`; time_servers in the spec names the site's"
        )


def _salt_python(question: Question, seen: Observation) -> Iterator[str]:
    if seen.python < OLDEST_PYTHON:
        yield (
            f"its Salt runs on Python {_dotted(seen.python)}, this needs {_dotted(OLDEST_PYTHON)} or later —"
            " upgrade the salt-minion package"
        )


def _capacity(question: Question, seen: Observation) -> Iterator[str]:
    cpus, memory = MINIMUM.get(question.role, MINIMUM["worker"])
    if seen.cpus < cpus and not question.ignores("NumCPU"):
        yield f"it has {seen.cpus} CPU, a {question.role} server needs {cpus} — give it more CPUs"
    if seen.memory < memory and not question.ignores("Mem"):
        yield (
            f"it has {seen.memory // MIB} MiB of memory, a {question.role} server needs {memory // MIB} MiB —"
            " give it more memory"
        )


def _swap(question: Question, seen: Observation) -> Iterator[str]:
    if seen.swaps and question.kubelet("failSwapOn") is not False:
        yield (
            f"swap is on ({', '.join(seen.swaps)}), the kubelet would not start — run its highstate, which"
            " turns swap off for good, or set `failSwapOn: false` in the spec's kubelet"
        )


def _ports(question: Question, seen: Observation) -> Iterator[str]:
    wanted = {**KUBELET_PORTS, **(CONTROL_PLANE_PORTS if question.control_plane else {})}
    if question.managed_endpoint:
        wanted[question.spec.control_plane.endpoint.port] = "haproxy"
    for port, program in sorted(wanted.items()):
        user = seen.listeners.get(port)
        # Where an earlier run was interrupted after preparing the server, the endpoint's haproxy is there.
        if user is not None and not program == user == "haproxy":
            yield f"port {port}, which {program} needs, is in use by {user} — stop that, or move it elsewhere"


def _room(question: Question, seen: Observation) -> Iterator[str]:
    wanted = {**ROOM, **(ROOM_ON_CONTROL_PLANE if question.control_plane else {})}
    on_disk: dict[Disk, list[str]] = {}
    for path in wanted:
        on_disk.setdefault(seen.disks[path], []).append(path)
    for disk, paths in on_disk.items():
        need = sum(wanted[path] for path in paths)
        if disk.free < need:
            yield (
                f"{disk.mount} has {disk.free / GIB:.1f} GiB free, {', '.join(paths)} need"
                f" {need / GIB:.1f} GiB — free some space, or enlarge it"
            )


def _disk_pressure(question: Question, seen: Observation) -> Iterator[str]:
    if question.kubelet("evictionHard"):
        return
    for path, share in EVICTION.items():
        disk = seen.disks[path]
        if disk.free < share * disk.size:
            yield (
                f"{disk.mount}, which holds {path}, is {1 - disk.free / disk.size:.0%} full;"
                f" from {1 - share:.0%} on the kubelet has DiskPressure and evicts pods — free some space,"
                " or set evictionHard in the spec's kubelet"
            )


def _control_groups(question: Question, seen: Observation) -> Iterator[str]:
    if question.ignores("SystemVerification"):
        return
    lacking = sorted(CONTROLLERS[seen.cgroup_version] - seen.controllers)
    if lacking:
        yield (
            f"its kernel lacks the cgroup controllers {', '.join(lacking)} — enable them on the kernel"
            " command line (memory: cgroup_enable=memory), and reboot"
        )


def _cgroup_1(question: Question, seen: Observation) -> Iterator[str]:
    version = question.spec.version
    new = (version.major, version.minor) >= REFUSES_CGROUP_1
    if seen.cgroup_version == 1 and new and question.kubelet("failCgroupV1") is not False:
        yield (
            f"it runs cgroup v1, which the kubelet of {version} refuses — boot with"
            " systemd.unified_cgroup_hierarchy=1, or set `failCgroupV1: false` in the spec's kubelet"
        )


def _foreign(question: Question, seen: Observation) -> Iterator[str]:
    strangers = sorted(name for name in seen.processes if name.startswith(FOREIGN))
    if strangers:
        yield (
            f"{', '.join(strangers)} runs here, for no cluster of ours: somebody else's containers or"
            " Kubernetes — move them away and remove what starts them, or take the server out of the spec"
        )
    runtime = question.spec.packages.containerd.name
    others = sorted(name for name in packages.CONTAINERD if name in seen.installed and name != runtime)
    if others:
        yield (
            f"the package {', '.join(others)} is installed, the spec asks for {runtime} —"
            f" `apt-get purge {' '.join(others)}`, or change packages.containerd"
        )


def _routes(question: Question, seen: Observation) -> Iterator[str]:
    if seen.default_interface is None:
        yield "it has no default route, so kubeadm cannot tell its address — set a gateway"
    wanted = question.spec.control_plane.endpoint.interface
    if question.managed_endpoint and wanted and wanted not in seen.interfaces:
        yield (
            f"it has no interface {wanted} for the virtual address, only"
            f" {', '.join(sorted(seen.interfaces))} — correct control_plane.endpoint.interface"
        )


def _endpoint_name(question: Question, seen: Observation) -> Iterator[str]:
    wanted = question.spec.control_plane.endpoint
    if isinstance(seen.endpoint, str):
        yield f"{wanted.host} does not resolve ({seen.endpoint}) — add it to the site's DNS"
    elif wanted.address and wanted.address not in seen.endpoint:
        yield (
            f"{wanted.host} resolves to {', '.join(sorted(seen.endpoint))}, not to {wanted.address} —"
            " correct the site's DNS, or control_plane.endpoint.address"
        )


def _sources(question: Question, seen: Observation) -> Iterator[str]:
    for source, error in seen.errors.items():
        yield f"{source.what} cannot be reached: {error} — {source.remedy}"


def _versions(question: Question, seen: Observation) -> Iterator[str]:
    """Say nothing of a repository that did not answer: that is said already."""
    if not seen.offered:
        return
    for name, version in sorted(packages.pinned(question.spec).items()):
        there = seen.offered.get(name, frozenset())
        if version not in there:
            has = f"it has {', '.join(sorted(there))}" if there else "it has no version of it"
            yield f"the apt repository lacks {name} {version}, {has} — add it, or correct the spec"


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(str(part) for part in version)


CHECKS: tuple[Check, ...] = (
    _identity,
    _clock,
    _salt_python,
    _capacity,
    _swap,
    _ports,
    _room,
    _disk_pressure,
    _control_groups,
    _cgroup_1,
    _foreign,
    _routes,
    _endpoint_name,
    _sources,
    _versions,
)
