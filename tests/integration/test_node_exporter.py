"""node_exporter itself, on loopback, started with what the states lay out: who may ask, and what it shows."""

from __future__ import annotations

import base64
import crypt
import json
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from debian_binary import debian_binary
from prometheus_client.parser import text_string_to_metric_families

from k8s_lifecycle.model import datacenters, secrets
from k8s_lifecycle.server import monitoring

FILES = Path(__file__).parents[2] / "states/k8s/files"
COLLECTORS = ["cpu", "filesystem", "loadavg", "meminfo", "netdev", "timex", "uname"]
PASSWORD = "correct horse"  # noqa: S105 - for this test only


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port; it has TLS, a user, and one metric of ours."""
    folder, port = tmp_path_factory.mktemp("exporter"), free_port()
    spec = {"port": port, "collectors": COLLECTORS, "tls": True, "basic_auth": True}
    found = datacenters.from_dict({"name": "dc1", "servers": ["*"], "monitoring": {"node_exporter": spec}})
    pillar = {"k8s_secrets": {"node_exporter": secret(folder)}}
    own = secrets.node_exporter(pillar)
    (folder / "certificate.pem").write_text(str(own.certificate))
    (folder / "key.pem").write_text(str(own.key))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - YAML
    environment.filters["json"] = json.dumps
    template = environment.from_string((FILES / "exporter-web.yml.jinja").read_text())
    (folder / "web.yml").write_text(template.render(pillar=pillar, of="node_exporter", basic_auth=True))
    (folder / "k8s.prom").write_text("# TYPE k8s_ours gauge\nk8s_ours 1\n")
    arguments = [
        argument.replace(monitoring.WEB_CONFIG, str(folder / "web.yml")).replace(
            monitoring.TEXTFILES, str(folder)
        )
        for argument in monitoring.options(found.monitoring.node_exporter)
    ]
    log = (folder / "log").open("wb")
    program = debian_binary("prometheus-node-exporter", "prometheus-node-exporter")
    process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while not listens(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def secret(folder: Path) -> dict[str, object]:
    words = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    files = ("-keyout", folder / "made.key", "-out", folder / "made.pem")
    subprocess.run([*words, *files, "-subj", "/CN=dc1-w-1"], check=True, capture_output=True)
    hashed = crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))  # noqa: S324 - it is bcrypt
    return {
        "certificate": (folder / "made.pem").read_text(),
        "key": (folder / "made.key").read_text(),
        "users": {"prometheus": hashed},
    }


def listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, password: str | None, scheme: str = "https") -> tuple[int, str]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = urllib.request.Request(f"{scheme}://127.0.0.1:{port}/metrics")  # noqa: S310
    if password is not None:
        given = base64.b64encode(f"prometheus:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {given}")
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_only_who_has_the_password_is_answered(exporter: int) -> None:
    assert ask(exporter, PASSWORD)[0] == 200
    assert ask(exporter, "wrong")[0] == 401
    assert ask(exporter, None)[0] == 401


def test_without_tls_nobody_is(exporter: int) -> None:
    assert ask(exporter, PASSWORD, "http")[0] == 400


def test_it_shows_what_the_named_collectors_have_and_no_more(exporter: int) -> None:
    families = {family.name: family for family in text_string_to_metric_families(ask(exporter, PASSWORD)[1])}
    success = families["node_scrape_collector_success"].samples
    assert {sample.labels["collector"]: sample.value for sample in success} == dict.fromkeys(
        [*COLLECTORS, "textfile"], 1
    )
    assert "k8s_ours" in families
    assert "node_load1" in families
    mounts = {sample.labels["mountpoint"] for sample in families["node_filesystem_size_bytes"].samples}
    assert not any(mount.startswith(("/proc", "/sys", "/dev", "/run")) for mount in mounts)
