"""What a server is converged to: containerd, registries, packages, kernel, endpoint."""

import tomllib

import pytest

from k8s_lifecycle.model import endpoint as endpoints
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.server import (
    containerd,
    desired,
    drift,
    endpoint,
    kernel,
    packages,
    services,
    sources,
    toml,
)
from k8s_lifecycle.server.packages import Installed

SPEC = {
    "datacenter": "dc1",
    "environment": "prod",
    "kubernetes": {"version": "1.37.2"},
    "control_plane": {
        "servers": ["dc1-cp-1"],
        "endpoint": {"host": "api.example", "address": "10.11.0.100", "virtual_router_id": 51},
    },
    "pools": {"general": {"servers": ["dc1-w-*"], "kubelet": {"maxPods": 50}}},
    "network_addon": {"kind": "none"},
    "packages": {
        "repository": {
            "url": "http://mirror.example/apt/",
            "suite": "bookworm",
            "key": "salt://site/apt.asc",
        },
        "containerd": {"version": "2.3.7-1"},
    },
    "images": {
        "repository": "mirror.example:5000/kubernetes",
        "mirrors": {"mirror.example:5000": ["http://one.example", "http://two.example"]},
    },
}

FLAT = {
    "packages": {
        "repository": {
            "url": "https://mirror.example/core:/stable:/v1.37/deb/",
            "suite": "/",
            "key": "salt://site/apt.asc",
        },
        "containerd": {"version": "2.3.7-1"},
    }
}


def spec(**changes):
    found, problems = specs.parse("dc1-prod", {**SPEC, **changes})
    assert not problems, problems
    return found


class TestToml:
    @pytest.mark.parametrize(
        "content",
        [
            {"version": 3, "on": True, "share": 0.5, "names": ["a", "b"], "quote": 'say "ä"\n'},
            {"a": {"b.c/d": {"e": 1}, "empty": {}}, "z": 1},
            {"list": [{"name": "x", "deep": {"y": [1, 2]}}], "t": {"u": {"v": {"w": "x"}}}},
        ],
    )
    def test_what_is_written_reads_back(self, content):
        assert tomllib.loads(toml.dumps(content)) == content

    def test_what_cannot_be_written_is_refused(self):
        with pytest.raises(TypeError, match="None"):
            toml.dumps({"a": None})


class TestContainerd:
    def config(self, pool=None, **changes):
        return tomllib.loads(containerd.config(spec(**changes), pool))["plugins"]

    def runc(self, plugins):
        return plugins["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]["runc"]

    def test_the_pause_image_is_the_sites_and_pinned(self):
        images = self.config()["io.containerd.cri.v1.images"]
        assert images["pinned_images"] == {"sandbox": "mirror.example:5000/kubernetes/pause:3.10.2"}

    def test_without_a_site_repository_it_is_containerds_own(self):
        assert "pinned_images" not in self.config(images={})["io.containerd.cri.v1.images"]

    def test_runtime_and_kubelet_agree_on_the_cgroup_driver(self):
        pools = {"general": {"servers": ["w"], "kubelet": {"cgroupDriver": "cgroupfs"}}}
        assert self.runc(self.config())["options"]["SystemdCgroup"] is True
        assert (
            self.runc(self.config(kubelet={"cgroupDriver": "cgroupfs"}))["options"]["SystemdCgroup"] is False
        )
        assert self.runc(self.config("general", pools=pools))["options"]["SystemdCgroup"] is False

    def test_the_site_has_the_last_word(self):
        plugins = {
            "io.containerd.cri.v1.runtime": {"containerd": {"runtimes": {"runc": {"runtime_type": "mine"}}}}
        }
        runc = self.runc(self.config(containerd={"plugins": plugins}))
        assert (runc["runtime_type"], runc["options"]["SystemdCgroup"]) == ("mine", True)

    def test_mirrors_in_order_and_nothing_beyond_them(self):
        hosts = tomllib.loads(containerd.hosts(["http://one.example", "http://two.example"]))
        assert hosts["server"] == "http://two.example"
        assert list(hosts["host"]) == ["http://one.example"]


class TestDesired:
    def want(self, role="worker", pool="general", installed=None, sets_clock=True, **changes):
        return desired.desired(spec(**changes), role, pool, installed=installed or {}, sets_clock=sets_clock)

    def test_a_worker(self):
        want = self.want()
        assert want["packages"]["pinned"]["kubelet"] == "1.37.2-1.1"
        assert want["endpoint"] is None
        assert "haproxy" not in want["packages"]["helpers"]
        assert "maxPods: 50" in next(iter(want["patches"].values()))

    def test_a_control_plane(self):
        want = self.want("control-plane", None)
        assert {"haproxy", "keepalived"} <= set(want["packages"]["helpers"])
        assert want["endpoint"]["address"] == "10.11.0.100"
        assert want["patches"] == {}

    def test_a_control_plane_behind_the_sites_load_balancer(self):
        outside = {
            "servers": ["dc1-cp-1"],
            "endpoint": {"kind": "external", "host": "api.example", "port": 443},
        }
        want = self.want("control-plane", None, control_plane=outside)
        assert want["endpoint"] is None
        assert "haproxy" not in want["packages"]["helpers"]

    def test_apt_reads_its_lists_only_when_something_is_missing(self):
        pins = packages.pinned(spec())
        there = {name: Installed(version, held=True) for name, version in pins.items()}
        assert self.want()["packages"]["refresh"]
        assert self.want(installed={**there, "kubelet": Installed("1.36.3-1.1", held=True)})["packages"][
            "refresh"
        ]
        assert not self.want(installed=there)["packages"]["refresh"]

    def test_a_container_has_its_hosts_clock(self):
        assert self.want(sets_clock=False)["clock"] is None
        assert self.want(time_servers=["ntp.example"])["clock"] == {"time_servers": ["ntp.example"]}

    def test_the_sites_own_apt_sources(self):
        assert self.want(packages={"containerd": {"version": "2.3.7-1"}})["repository"] is None

    def test_a_flat_repository_has_no_components(self):
        source = self.want(**FLAT)["repository"]["source"]
        assert "Suites: /\n" in source
        assert "Components" not in source

    def test_an_index_without_tls_is_trusted_by_name(self):
        assert (
            self.want(python={"index": "http://mirror.example/simple"})["python_client"]["trusted_host"]
            == "mirror.example"
        )
        assert (
            self.want(python={"index": "https://mirror.example/simple"})["python_client"]["trusted_host"]
            is None
        )


class TestSources:
    def test_what_a_worker_needs(self):
        (registry,) = sources.sources(spec(), "worker")
        assert registry.urls == ("http://one.example/v2/", "http://two.example/v2/")

    def test_what_a_control_plane_needs_besides(self):
        found = list(
            sources.sources(spec(python={"index": "http://mirror.example/simple/"}), "control-plane")
        )
        assert found[-1].urls == ("http://mirror.example/simple/kubernetes/",)

    def test_a_registry_without_a_mirror_is_asked_itself(self):
        (registry,) = sources.sources(spec(images={"repository": "registry.example/k8s"}), "worker")
        assert registry.urls == ("https://registry.example/v2/",)

    def test_the_index_of_each_component(self):
        (index,) = sources.package_indexes(spec().packages.repository, "arm64")
        assert index.urls == ("http://mirror.example/apt/dists/bookworm/main/binary-arm64/Packages.gz",)

    def test_the_index_of_a_flat_repository(self):
        (index,) = sources.package_indexes(spec(**FLAT).packages.repository, "amd64")
        assert index.urls == ("https://mirror.example/core:/stable:/v1.37/deb/Packages.gz",)


class TestKernel:
    @pytest.fixture
    def root(self, tmp_path):
        for path, text in {
            "proc/sys/net/ipv4/ip_forward": "0\n",
            "proc/sys/vm/max_map_count": "65530\n",
            "proc/sys/kernel/osrelease": "6.1.0\n",
            "lib/modules/6.1.0/modules.builtin": "kernel/fs/overlayfs/overlay.ko\n",
        }.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        (tmp_path / "sys/module/br_netfilter").mkdir(parents=True)
        return tmp_path

    MODULES = ("overlay", "br_netfilter")

    def test_it_converges_and_stays(self, root):
        settings = {**kernel.settings(spec()), "vm.max_map_count": "262144"}
        before = kernel.differences(self.MODULES, settings, root)
        assert before["net.ipv4.ip_forward"] == {"old": "0", "new": "1"}
        assert before["vm.max_map_count"] == {"old": "65530", "new": "262144"}
        assert not set(self.MODULES) & before.keys()
        kernel.apply(self.MODULES, settings, root)
        assert kernel.differences(self.MODULES, settings, root) == {}
        assert "-net.bridge.bridge-nf-call-iptables = 1" in (root / "etc/sysctl.d/90-k8s.conf").read_text()
        assert (root / "etc/modules-load.d/k8s.conf").read_text().endswith("overlay\nbr_netfilter\n")

    def test_a_setting_that_somebody_changed_is_seen(self, root):
        settings = kernel.settings(spec())
        kernel.apply((), settings, root)
        (root / "proc/sys/net/ipv4/ip_forward").write_text("0\n")
        assert list(kernel.differences((), settings, root)) == ["net.ipv4.ip_forward"]

    @pytest.mark.parametrize("name", ["net/ipv4/conf/eth0.7/rp_filter", "net.ipv4.conf.eth0/7.rp_filter"])
    def test_a_dot_in_an_interfaces_name_is_none_between_directories(self, root, name):
        path = root / "proc/sys/net/ipv4/conf/eth0.7/rp_filter"
        path.parent.mkdir(parents=True)
        path.write_text("1\n")
        kernel.apply((), {name: "2"}, root)
        assert path.read_text() == "2"

    def test_bridges_are_set_where_there_are_any(self, root):
        (root / "proc/sys/net/bridge").mkdir()
        (root / "proc/sys/net/bridge/bridge-nf-call-iptables").write_text("0\n")
        assert "net.bridge.bridge-nf-call-iptables" in kernel.differences((), kernel.settings(spec()), root)

    def test_an_unknown_setting_is_named(self, root):
        with pytest.raises(RuntimeError, match=r"no setting net\.nope"):
            kernel.apply((), {"net.nope": "1"}, root)

    def test_what_differs_is_told_with_swap(self, root):
        wanted = spec(kernel_modules=["overlay", "vxlan"])
        kernel.apply(["overlay"], kernel.settings(wanted), root)
        (root / "sys/module/vxlan").mkdir()
        assert drift.system(wanted, None, root) == [
            "/etc/modules-load.d/k8s.conf is not as highstate lays it out"
        ]
        kernel.apply(["overlay", "vxlan"], kernel.settings(wanted), root)
        assert drift.system(wanted, None, root) == []
        (root / "proc/sys/net/ipv4/ip_forward").write_text("0\n")
        (root / "proc/swaps").write_text("Filename Type\n/dev/sdb partition\n")
        (root / "etc/fstab").write_text("/dev/sdb none swap sw 0 0\n")
        assert drift.system(wanted, None, root) == [
            "net.ipv4.ip_forward is 0, the spec asks for 1",
            "swap is on: /dev/sdb",
            "/etc/fstab turns swap on: /dev/sdb none swap sw 0 0",
        ]
        assert len(drift.system(spec(kubelet={"failSwapOn": False}), None, root)) == 2


class TestServices:
    def differences(self, monkeypatch, tmp_path, shown):
        """A service that changed its state at the second 100 of this boot, and a file that changes now."""
        file = tmp_path / "config"
        file.touch()
        monkeypatch.setattr(services, "_show", lambda _: {"StateChangeTimestampMonotonic": "0", **shown})
        return services.differences("x", [str(file), str(tmp_path / "absent")])

    def test_a_file_newer_than_the_service(self, monkeypatch, tmp_path):
        found = self.differences(monkeypatch, tmp_path, {"ActiveState": "active", "UnitFileState": "enabled"})
        assert found == {
            "running": {"old": "active with older files", "new": "active with the files on disk"}
        }

    def test_a_service_that_does_not_exist_yet(self, monkeypatch, tmp_path):
        found = self.differences(monkeypatch, tmp_path, {"ActiveState": "inactive", "UnitFileState": ""})
        assert found["enabled"]["old"] == "no such unit"
        assert found["running"]["old"] == "inactive"

    def test_a_service_started_after_its_files(self, monkeypatch, tmp_path):
        monkeypatch.setattr(services, "_since", lambda _: float("inf"))
        assert not self.differences(
            monkeypatch, tmp_path, {"ActiveState": "active", "UnitFileState": "enabled"}
        )


class TestDrift:
    def node(self, **changes):
        wanted = spec()
        node = drift.Node(
            packages={
                name: Installed(version, held=True) for name, version in packages.pinned(wanted).items()
            },
            files={
                containerd.CONFIG: containerd.config(wanted, None),
                **{path: f"# {endpoints.mark(wanted)}\n" for path in endpoint.SERVICES},
            },
            kubelet={"maxPods": 110},
            images={"kube-apiserver": "mirror.example:5000/kubernetes/kube-apiserver:v1.37.2"},
        )
        return drift.Node(**{**vars(node), **changes})

    def drift(self, node=None, role="control-plane", pool=None, **changes):
        return drift.drift(spec(**changes), role, pool, node or self.node())

    def test_a_node_as_its_spec_asks_for(self):
        assert self.drift() == []

    def test_a_new_version_in_the_spec_is_told_everywhere(self):
        found = self.drift(kubernetes={"version": "1.38.0"})
        assert "kubelet is 1.37.2-1.1, the spec asks for 1.38.0-1.1" in found
        assert "kube-apiserver runs v1.37.2, the spec asks for v1.38.0" in found

    def test_packages(self):
        held = self.node().packages
        assert self.drift(self.node(packages={**held, "kubelet": Installed("1.37.2-1.1", held=False)})) == [
            "kubelet is not held: apt would upgrade it"
        ]
        assert "is not installed" in self.drift(self.node(packages={}))[0]

    def test_the_kubelets_configuration(self):
        assert self.drift(role="worker", pool="general") == [
            "the kubelet runs with maxPods 110, the spec asks for 50"
        ]

    def test_files(self):
        moved = {**SPEC["control_plane"], "endpoint": {**SPEC["control_plane"]["endpoint"], "port": 9443}}
        assert len(self.drift(control_plane=moved)) == len(endpoint.SERVICES)
        assert self.drift(containerd={"debug": {"level": "debug"}}) == [
            f"{containerd.CONFIG} is not what the spec asks for"
        ]


class TestVersionWithoutTheCluster:
    @pytest.mark.parametrize(
        ("have", "version"),
        [
            ({}, "1.37.2"),
            ({"kubelet": Installed("1.36.3-1.1", True)}, "1.36.3"),
            ({"kubelet": Installed("1.36.3-0ubuntu1", True)}, "1.37.2"),
            ({"containerd.io": Installed("2.3.7-1", True)}, "1.37.2"),
        ],
    )
    def test_what_a_run_has_prepared_stays(self, have, version):
        assert str(packages.at_installed_version(spec(), have).version) == version
