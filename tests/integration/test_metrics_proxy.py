"""The proxy of metrics: Debian's haproxy and Prometheus with what the states lay out, on loopback.

Behind the proxy are plain servers in the places of etcd, controller manager and scheduler.
"""

from __future__ import annotations

import datetime
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from consul_site import wait_until
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from debian_binary import debian_binary
from test_node_exporter import free_port

from k8s_lifecycle.model import cluster_metrics
from k8s_lifecycle.model.cluster_metrics import PROXIED, PROXY_NAME, PROXY_USER, USER, Cluster
from k8s_lifecycle.server import metrics_proxy, prometheus_credentials

TEMPLATE = Path(__file__).parents[2] / "states/k8s/files/k8s-metrics-proxy.cfg.jinja"
# Nothing that was written is executed, as its unit wants it: man PR_SET_MDWE.
CAGED = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
# What haproxy is linked with, besides what each machine has.
LIBRARIES = ("liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")


@dataclass
class Authority:
    """A CA in a folder, as kubeadm lays one out."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
        builder = self.built(self.name, self.key.public_key()).add_extension(
            x509.BasicConstraints(True, None), True
        )
        self.certificate = builder.sign(self.key, hashes.SHA256())
        (self.folder / "pki").mkdir(parents=True)
        (self.folder / "pki/ca.crt").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        (self.folder / "pki/ca.key").write_bytes(pem(self.key))

    @property
    def path(self) -> Path:
        return self.folder / "pki/ca.crt"

    def signed(self, name: str, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH) -> Path:
        """A certificate of this CA with its key, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self.built(subject, key.public_key()).add_extension(x509.ExtendedKeyUsage([usage]), False)
        path = self.folder / f"{name.replace(':', '-')}-{usage.dotted_string}.pem"
        made = builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
        path.write_bytes(made + pem(key))
        return path

    def built(self, subject: x509.Name, key: Any, days: int = 1) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
        builder = builder.public_key(key).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=days))


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Asked:
    """One of those behind the proxy, and who asked it for what; with an authority it speaks TLS only."""

    def __init__(self, authority: Authority | None) -> None:
        said = self.said = list[tuple[str, str]]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shown = self.connection.getpeercert() if authority else None
                names = dict(pair for one in (shown or {}).get("subject", ()) for pair in one)
                said.append((self.path, names.get("commonName", "")))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"up 1\n")

            def log_message(self, *_: object) -> None:
                pass

        self.listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.signed("localhost", ExtendedKeyUsageOID.SERVER_AUTH))
            context.load_verify_locations(authority.path)
            context.verify_mode = ssl.CERT_REQUIRED
            self.listening.socket = context.wrap_socket(self.listening.socket, server_side=True)
        threading.Thread(target=self.listening.serve_forever, daemon=True).start()


@dataclass
class Proxied:
    """The proxy, its cluster's CA, and those that it asks."""

    port: int
    authority: Authority
    asked: dict[str, Asked]

    def get(self, path: str, certificate: Path | None, method: str = "GET") -> str:
        """The answer, from its status on."""
        context = ssl.create_default_context(cafile=self.authority.path)
        if certificate:
            context.load_cert_chain(certificate)
        with (
            socket.create_connection(("127.0.0.1", self.port), 10) as plain,
            context.wrap_socket(plain, server_hostname=PROXY_NAME) as connection,
        ):
            request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            said = b"".join(iter(lambda: connection.recv(65536), b""))
        return said.decode().partition(" ")[2]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("metrics-proxy")
    authority = Authority(folder / "kubernetes")
    assert metrics_proxy.wrong(authority.folder, folder / "proxy.pem") == "none"
    metrics_proxy.make(authority.folder, folder / "proxy.pem")
    assert metrics_proxy.wrong(authority.folder, folder / "proxy.pem") == ""
    asked = {name: Asked(None if name == "etcd" else authority) for name in PROXIED}
    port = free_port()
    addresses = {name: f"127.0.0.1:{one.listening.server_port}" for name, one in asked.items()}
    environment = jinja2.Environment(autoescape=False, keep_trailing_newline=True)  # noqa: S701 - no HTML
    text = environment.from_string(TEMPLATE.read_text()).render(
        want={"port": port, "user": USER, "asked": addresses}
    )
    configuration = folder / "haproxy.cfg"
    configuration.write_text(text)
    shutil.copy(authority.path, folder)
    haproxy = debian_binary("haproxy", "haproxy").parents[1] / "sbin/haproxy"
    libraries = (debian_binary(name, "").parent / "lib/x86_64-linux-gnu" for name in LIBRARIES)
    process = subprocess.Popen(
        [sys.executable, "-c", CAGED, haproxy, "-W", "-f", configuration],
        env={
            **os.environ,
            "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
            "CREDENTIALS_DIRECTORY": str(folder),
        },
    )
    try:
        wait_until("haproxy to listen", lambda: listens(port))
        yield Proxied(port, authority, asked)
    finally:
        process.terminate()
        process.wait()
        for one in asked.values():
            one.listening.shutdown()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", PROXIED)
def test_prometheus_is_shown_metrics_and_the_proxy_asks_as_a_user_of_its_own(
    proxied: Proxied, name: str
) -> None:
    said = proxied.get(f"/{name}/metrics?all=1", proxied.authority.signed(USER))
    assert said.startswith("200 ")
    assert said.endswith("up 1\n")
    user = "" if name == "etcd" else PROXY_USER
    assert proxied.asked[name].said[-1] == ("/metrics", user)


def test_without_a_certificate_nothing_is_shown(proxied: Proxied) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        proxied.get("/etcd/metrics", None)


def test_nor_with_one_of_another_authority_or_of_a_server(proxied: Proxied, tmp_path: Path) -> None:
    other = Authority(tmp_path / "kubernetes")
    for certificate in (
        other.signed(USER),
        proxied.authority.signed(USER, ExtendedKeyUsageOID.SERVER_AUTH),
    ):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            proxied.get("/etcd/metrics", certificate)


@pytest.mark.parametrize("user", ["kubernetes-admin", PROXY_USER, f"{USER}2", "x"])
def test_who_is_not_prometheus_is_refused(proxied: Proxied, user: str) -> None:
    before = len(proxied.asked["etcd"].said)
    assert proxied.get("/etcd/metrics", proxied.authority.signed(user)).startswith("403 ")
    assert len(proxied.asked["etcd"].said) == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics", 404),
        ("GET", "/etcd/health", 404),
        ("GET", "/kube-scheduler/configz", 404),
        ("GET", "/etcd/metrics/../health", 404),
        ("POST", "/etcd/metrics", 405),
        ("PUT", "/kube-controller-manager/metrics", 405),
    ],
)
def test_nothing_else_is_passed_on(proxied: Proxied, method: str, path: str, status: int) -> None:
    before = {name: len(one.said) for name, one in proxied.asked.items()}
    said = proxied.get(path, proxied.authority.signed(USER), method)
    assert said.startswith(f"{status} ")
    assert {name: len(one.said) for name, one in proxied.asked.items()} == before


def test_prometheus_takes_up_its_certificate_by_itself(proxied: Proxied, tmp_path: Path) -> None:
    """With a stand-in it starts and is shown nothing; with the real one it is, without a reload."""
    cluster = Cluster("prod", "prod", "127.0.0.1:1")
    credentials = tmp_path / "clusters"
    credentials.mkdir()
    prometheus_credentials.prepare([cluster.name], credentials)
    labels = {"instance": "cp-1", "cluster": cluster.name, "role": "control-plane"}
    target = {"targets": ["127.0.0.1:9100"], "labels": labels}
    (tmp_path / "node.json").write_text(json.dumps([target]))
    jobs = json.dumps(cluster_metrics.jobs(cluster, str(tmp_path), proxied.port))
    told = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": json.loads(jobs.replace(cluster_metrics.CREDENTIALS, str(credentials))),
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(told))
    promtool = [debian_binary("prometheus", "promtool"), "check", "config", tmp_path / "prometheus.yml"]
    subprocess.run(promtool, check=True, capture_output=True)
    port = free_port()
    options = ("--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=:{port}")
    process = subprocess.Popen([debian_binary("prometheus", "prometheus"), *options], cwd=tmp_path)
    try:
        wait_until("the proxy to be asked", lambda: set(PROXIED) <= set(up(port)))
        assert {up(port)[name] for name in PROXIED} == {0}
        prometheus_credentials.accept(cluster.name, *signed(proxied.authority, credentials), credentials)
        assert prometheus_credentials.due(credentials) == []
        wait_until("it to be shown all", lambda: {up(port)[name] for name in PROXIED} == {1})
    finally:
        process.kill()
        process.wait()


def signed(authority: Authority, credentials: Path) -> tuple[str, str]:
    """What a cluster signs on the request of a Prometheus server."""
    request = x509.load_pem_x509_csr(prometheus_credentials.request(credentials).encode())
    builder = authority.built(request.subject, request.public_key(), days=30)
    made = builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return made.decode(), authority.path.read_text()


def up(port: int) -> dict[str, float]:
    """The jobs that a Prometheus has asked, and whether they answer; none while it starts."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query=up", timeout=5) as answer:
            found = json.load(answer)["data"]["result"]
    except OSError:
        return {}
    return {one["metric"]["job"]: float(one["value"][1]) for one in found}
