"""What is read of a server: processes, addresses, packages, kubeadm's files, listeners, the site."""

import gzip
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from k8s_lifecycle.server import (
    authority,
    kubernetes_files,
    listeners,
    network,
    observation,
    packages,
    processes,
    swap,
)
from k8s_lifecycle.server.sources import Source


class TestProcesses:
    @pytest.fixture
    def proc(self, tmp_path):
        (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1800000000\n")
        (tmp_path / "sys").mkdir()
        return tmp_path

    def start(self, proc, pid, *words, cgroup="0::/user.slice"):
        entry = proc / str(pid)
        entry.mkdir()
        ticks = 100 * os.sysconf("SC_CLK_TCK")
        (entry / "cmdline").write_text("\0".join(words) + "\0")
        (entry / "comm").write_text(words[0].rpartition("/")[2] + "\n")
        (entry / "stat").write_text(f"{pid} (a b) c) S {'0 ' * 18}{ticks} 0 0\n")
        (entry / "cgroup").write_text(cgroup)

    def test_a_kubeadm_of_ours(self, proc):
        self.start(
            proc,
            7,
            "/usr/bin/kubeadm",
            "join",
            "--config",
            "x",
            cgroup="0::/system.slice/k8s-kubeadm.service",
        )
        assert processes.kubeadm(proc) == {"verb": "join", "pid": 7, "since": 1_800_000_100.0, "ours": True}

    def test_a_kubeadm_of_somebody(self, proc):
        self.start(proc, 8, "kubeadm", "reset", "--force")
        assert processes.kubeadm(proc)["ours"] is False

    @pytest.mark.parametrize(
        "words", [("kubeadm", "version"), ("kubeadm",), ("vi", "kubeadm", "join"), ("",)]
    )
    def test_what_changes_nothing_does_not_count(self, proc, words):
        self.start(proc, 9, *words)
        assert processes.kubeadm(proc) is None

    def test_one_in_a_container_changes_another_server(self, proc):
        self.start(proc, 9, "kubeadm", "join")
        for process, namespace in (("9", "pid:[2]"), ("self", "pid:[1]")):
            (proc / process / "ns").mkdir(parents=True)
            (proc / process / "ns/pid").symlink_to(namespace)
        assert processes.kubeadm(proc) is None

    def test_a_process_that_ends_while_it_is_looked_at(self, proc):
        (proc / "10").mkdir()
        assert processes.kubeadm(proc) is None
        assert processes.names(proc) == frozenset()

    def test_those_of_a_name_end_and_no_others(self, tmp_path):
        programs = [
            shutil.copy(shutil.which("sleep"), tmp_path / f"k8s-{name}") for name in ("ends", "stays")
        ]
        ends, stays = (subprocess.Popen([program, "60"]) for program in programs)
        try:
            processes.end(["k8s-ends"])
            assert ends.wait(10) == -signal.SIGTERM
            assert stays.poll() is None
        finally:
            stays.kill()
            stays.wait()


class TestNetwork:
    LINKS = [
        {
            "ifname": "eth0",
            "addr_info": [
                {"local": "10.11.0.11", "scope": "global"},
                {"local": "10.11.0.100", "scope": "global"},
            ],
        },
        {"ifname": "cni0", "addr_info": [{"local": "10.244.1.1", "scope": "global"}]},
        {
            "ifname": "eth1",
            "addr_info": [
                {"local": "2001:db8::5", "scope": "global"},
                {"local": "2001:db8::abcd", "scope": "global", "temporary": True},
                {"local": "fe80::1", "scope": "link"},
            ],
        },
    ]

    def test_what_is_the_servers_own(self):
        found = network.own_addresses(self.LINKS, "10.11.0.100", ["10.244.0.0/16", "10.96.0.0/12"])
        assert found == ["10.11.0.11", "2001:db8::5"]

    def test_without_a_cluster_every_stable_address_is(self):
        assert network.own_addresses(self.LINKS[:2], None, []) == ["10.11.0.11", "10.11.0.100", "10.244.1.1"]


class TestPackages:
    INDEX = """\
Package: kubelet
Source: kubernetes
Version: 1.37.2-1.1
Depends: iptables

Package: kubelet
Version: 1.36.3-1.1

Package: kubeadm
Version: 1.37.2-1.1
"""

    def test_what_an_index_offers(self):
        found = packages.offered(self.INDEX, ["kubelet", "kubeadm", "kubectl"])
        assert found == {
            "kubelet": frozenset({"1.37.2-1.1", "1.36.3-1.1"}),
            "kubeadm": frozenset({"1.37.2-1.1"}),
            "kubectl": frozenset(),
        }

    def test_pins_allow_one_version(self):
        assert packages.preferences({"kubelet": "1.37.2-1.1"}) == (
            "Package: kubelet\nPin: version 1.37.2-1.1\nPin-Priority: 1001\n"
        )


def authority_file(path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    path.parent.mkdir(parents=True)
    path.write_bytes(certificate.public_bytes(Encoding.PEM))


class TestKubernetesFiles:
    def test_a_new_server_is_bare(self, tmp_path):
        assert kubernetes_files.bare(kubernetes_files.look(tmp_path))

    @pytest.mark.parametrize(
        "path",
        ["kubelet.conf", "bootstrap-kubelet.conf", "manifests/etcd.yaml", "pki/ca.crt"],
    )
    def test_any_trace_of_a_node_counts(self, tmp_path, path):
        file = tmp_path / "etc/kubernetes" / path
        file.parent.mkdir(parents=True)
        file.touch()
        assert not kubernetes_files.bare(kubernetes_files.look(tmp_path))

    def test_what_prepares_a_server_does_not(self, tmp_path):
        (tmp_path / "etc/kubernetes/manifests").mkdir(parents=True)
        (tmp_path / "etc/kubernetes/patches").mkdir()
        (tmp_path / "var/lib/etcd").mkdir(parents=True)
        assert kubernetes_files.bare(kubernetes_files.look(tmp_path))

    def test_etcd_data_counts(self, tmp_path):
        (tmp_path / "var/lib/etcd/member").mkdir(parents=True)
        assert not kubernetes_files.bare(kubernetes_files.look(tmp_path))

    def test_the_authority_is_named_by_its_key(self, tmp_path):
        authority_file(tmp_path / "etc/kubernetes/pki/ca.crt")
        assert kubernetes_files.look(tmp_path)["ca"].startswith("sha256:")

    def test_a_torn_authority_is_one(self, tmp_path):
        (tmp_path / "ca.crt").write_text("-----BEGIN CERTIF")
        assert authority.local(tmp_path / "ca.crt") == authority.UNREADABLE


def test_listeners_by_port():
    table = (
        'LISTEN 0 4096   10.11.0.11:2379  0.0.0.0:*    users:(("etcd",pid=12,fd=7))\n'
        "LISTEN 0 128          [::]:22       [::]:*\n"
    )
    assert listeners.parse(table) == {2379: "etcd", 22: "another program"}


class TestSwap:
    FSTAB = "# by hand\nUUID=1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n#/swapfile none swap sw 0 0\n"

    def test_what_is_in_use(self, tmp_path):
        (tmp_path / "swaps").write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
        assert swap.active(tmp_path / "swaps") == ("/dev/sda2",)
        assert swap.active(tmp_path / "none") == ()

    def test_fstab_keeps_all_else(self, tmp_path, monkeypatch):
        monkeypatch.setattr(swap, "active", lambda: ())
        fstab = tmp_path / "fstab"
        fstab.write_text(self.FSTAB)
        assert swap.at_boot(fstab) == ("/dev/sda2 none swap sw 0 0",)
        swap.turn_off(fstab)
        assert swap.at_boot(fstab) == ()
        assert [line for line in fstab.read_text().splitlines() if "sda2" not in line] == [
            line for line in self.FSTAB.splitlines() if "sda2" not in line
        ]


class Site(BaseHTTPRequestHandler):
    ANSWERS = {"/index.gz": (200, gzip.compress(b"Package: kubelet\n")), "/v2/": (401, b"who are you?")}

    def do_GET(self):
        status, body = self.ANSWERS.get(self.path, (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def serving():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class TestSources:
    @pytest.fixture
    def site(self):
        with serving() as url:
            yield url

    def test_what_answers(self, site):
        assert (
            gzip.decompress(observation._ask(Source("x", (f"{site}/index.gz",), "y")))
            == b"Package: kubelet\n"
        )

    def test_a_registry_that_asks_who_we_are_lives(self, site):
        assert observation._ask(Source("x", (f"{site}/v2/",), "y", accept=(401,))) == b""
        assert observation._ask(Source("x", (f"{site}/v2/",), "y")) == "it answers 401 Unauthorized"

    def test_one_mirror_of_several_is_enough(self, site):
        assert isinstance(
            observation._ask(Source("x", ("http://127.0.0.1:1/", f"{site}/index.gz"), "y")), bytes
        )

    def test_why_none_answers(self, site):
        said = observation._ask(Source("x", ("http://127.0.0.1:1/", f"{site}/none"), "y"))
        assert "Connection refused" in said
        assert "404" in said
