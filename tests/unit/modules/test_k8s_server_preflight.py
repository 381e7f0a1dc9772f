"""Preflight: a fit server has no problem; whatever is wrong with it is said in one line, all at once."""

from dataclasses import replace

import pytest

from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.server import packages, preflight
from k8s_lifecycle.server.preflight import GIB, MIB, Disk, Observation, Question
from k8s_lifecycle.server.sources import Source

NOW = 1_800_000_000.0
ROOT = Disk("/", 100 * GIB, 50 * GIB)
SPEC = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.37.2"},
    "control_plane": {
        "servers": ["dc1-cp-1"],
        "endpoint": {
            "host": "api.dc1-prod.example",
            "address": "10.11.0.100",
            "virtual_router_id": 51,
            "interface": "eth0",
        },
    },
    "pools": {
        "general": {"servers": ["dc1-w-*"]},
        "swapping": {"servers": ["x"], "kubelet": {"failSwapOn": False}},
    },
    "network_addon": {"kind": "none"},
    "packages": {"containerd": {"version": "2.3.7-1"}},
}


def spec(**changes):
    found, problems = specs.parse("dc1-prod", {**SPEC, **changes})
    assert not problems
    return found


def question(role="control-plane", pool=None, machine_ids=None, **changes):
    return Question(spec(**changes), role, pool, machine_ids or {}, NOW)


FIT = Observation(
    machine_id="aaaa",
    clock=NOW,
    python=(3, 11),
    cpus=4,
    memory=8 * GIB,
    swaps=(),
    listeners={22: "sshd"},
    disks=dict.fromkeys((*preflight.ROOM, *preflight.ROOM_ON_CONTROL_PLANE), ROOT),
    cgroup_version=2,
    controllers=frozenset({"cpu", "cpuset", "io", "memory", "pids"}),
    processes=frozenset({"systemd", "salt-minion"}),
    interfaces=frozenset({"lo", "eth0"}),
    default_interface="eth0",
    installed=frozenset(),
    endpoint=frozenset({"10.11.0.100"}),
    errors={},
    offered={name: frozenset({version}) for name, version in packages.pinned(spec()).items()},
)


def the_problem(asked=None, **seen):
    (problem,) = preflight.problems(asked or question(), replace(FIT, **seen))
    what, remedy = problem.split(" — ")
    assert "\n" not in problem
    assert remedy
    return what


def no_problem(asked=None, **seen):
    return preflight.problems(asked or question(), replace(FIT, **seen)) == []


@pytest.mark.parametrize(("role", "pool"), [("control-plane", None), ("worker", "general"), ("spare", None)])
def test_a_fit_server_has_no_problem(role, pool):
    assert no_problem(question(role, pool))


def test_everything_is_said_at_once():
    seen = replace(FIT, cpus=1, swaps=("/dev/sda2",), listeners={6443: "nginx"}, endpoint="Name not known")
    assert len(preflight.problems(question(), seen)) == 4


def test_a_cloned_machine_id_names_the_twin():
    assert "dc1-w-7" in the_problem(question(machine_ids={"dc1-w-7": "aaaa", "dc1-w-8": "bbbb"}))


@pytest.mark.parametrize(("off", "said"), [(-3, "3.0 s behind"), (30, "30.0 s ahead of")])
def test_a_clock_that_is_off(off, said):
    assert said in the_problem(clock=NOW + off)


@pytest.mark.parametrize("off", [-1.5, 1.5, 9])
def test_the_time_a_job_travels_is_no_clock_error(off):
    assert no_problem(clock=NOW + off)


def test_an_old_python():
    assert "Python 3.10" in the_problem(python=(3, 10))


def test_a_control_plane_needs_what_kubeadm_asks_for():
    assert "1 CPU" in the_problem(cpus=1)
    assert "1024 MiB" in the_problem(memory=1024 * MIB)
    assert no_problem(question("worker", "general"), cpus=1, memory=1024 * MIB)


def test_what_kubeadm_is_told_to_ignore_is_ignored_here():
    ignored = question(kubeadm={"ignore_preflight_errors": ["NumCPU", "mem"]})
    assert no_problem(ignored, cpus=1, memory=512 * MIB)


def test_swap():
    assert "/dev/sda2" in the_problem(swaps=("/dev/sda2",))
    assert no_problem(question("worker", "swapping"), swaps=("/dev/sda2",))


@pytest.mark.parametrize("port", [2379, 2380, 6443, 8443, 10250, 10257, 10259])
def test_a_port_that_somebody_uses(port):
    assert f"port {port}" in the_problem(listeners={port: "nginx"})


def test_a_worker_needs_fewer_ports():
    assert no_problem(question("worker", "general"), listeners={6443: "nginx", 8443: "nginx"})
    assert "kubelet" in the_problem(question("worker", "general"), listeners={10250: "nginx"})


def test_the_endpoint_of_an_interrupted_run_is_ours():
    assert no_problem(listeners={8443: "haproxy"})


def test_room_is_counted_by_file_system():
    small, logs = Disk("/", 20 * GIB, 4 * GIB), Disk("/var/log", GIB, GIB // 4)
    disks = {**dict.fromkeys(FIT.disks, small), "/var/log": logs}
    on_root, on_logs = preflight.problems(question(), replace(FIT, disks=disks))
    assert on_root.startswith(
        "/ has 4.0 GiB free, /var/lib/containerd, /var/lib/kubelet, /var/lib/etcd need 6.0"
    )
    assert on_logs.startswith("/var/log has 0.2 GiB free")


def test_a_disk_so_full_that_the_kubelet_would_evict():
    disks = dict.fromkeys(FIT.disks, Disk("/", 1000 * GIB, 120 * GIB))
    assert "DiskPressure" in the_problem(disks=disks)
    assert no_problem(question(kubelet={"evictionHard": {"imagefs.available": "5%"}}), disks=disks)


def test_missing_cgroup_controllers():
    assert "memory" in the_problem(controllers=frozenset({"cpu", "cpuset", "pids"}))


def test_cgroup_1():
    controllers = frozenset(preflight.CONTROLLERS[1])
    assert "cgroup v1" in the_problem(cgroup_version=1, controllers=controllers)
    assert no_problem(question(kubelet={"failCgroupV1": False}), cgroup_version=1, controllers=controllers)
    assert no_problem(
        question(kubernetes={"version": "1.34.1"}), cgroup_version=1, controllers=controllers, offered={}
    )


@pytest.mark.parametrize("stranger", ["kubelet", "k3s-server", "containerd-shim-runc-v2"])
def test_a_kubernetes_or_containers_of_somebody_else(stranger):
    assert stranger in the_problem(processes=frozenset({"systemd", stranger}))


def test_another_package_of_containerd():
    assert "containerd.io" in the_problem(installed=frozenset({"containerd"}))
    assert no_problem(installed=frozenset({"containerd.io"}))


def test_routes_and_interfaces():
    assert "no default route" in the_problem(default_interface=None)
    assert "no interface eth0" in the_problem(interfaces=frozenset({"lo", "ens3"}))
    assert no_problem(question("worker", "general"), interfaces=frozenset({"lo", "ens3"}))


def test_the_name_of_the_endpoint():
    assert "does not resolve (Name not known)" in the_problem(endpoint="Name not known")
    assert "resolves to 192.0.2.1, not to 10.11.0.100" in the_problem(endpoint=frozenset({"192.0.2.1"}))


def test_a_source_that_cannot_be_reached():
    source = Source("the registry mirror.example:5000", ("http://mirror.example:5000/v2/",), "start it")
    assert "cannot be reached: Connection refused" in the_problem(errors={source: "Connection refused"})


def test_a_version_that_the_repository_lacks():
    offered = {**FIT.offered, "kubelet": frozenset({"1.37.1-1.1"})}
    assert "kubelet 1.37.2-1.1, it has 1.37.1-1.1" in the_problem(offered=offered)


def test_no_word_of_versions_where_the_repository_did_not_answer():
    assert no_problem(offered={})
