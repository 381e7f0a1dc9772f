"""The exporters of Redis and MariaDB, on loopback, with what the states lay out.

Neither service is here: in the place of Redis is a socket that notes what it is told, and knows two answers.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import jinja2
import pytest
from debian_binary import debian_binary
from test_node_exporter import free_port

from k8s_lifecycle.model.consul import EXPORTERS
from k8s_lifecycle.server import exporters

FILES = Path(__file__).parents[2] / "states/k8s/files"
PASSWORD = "p#ss;w=rd$1&x"  # noqa: S105 - for this test only
ACCOUNTS = {kind: {"user": "exporter", "password": PASSWORD} for kind in EXPORTERS}


def rendered(name: str, **context: Any) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    environment.filters["json"] = json.dumps
    pillar = {"k8s_secrets": {"exporters": ACCOUNTS}}
    return environment.from_string((FILES / name).read_text()).render(pillar=pillar, **context)


def started(kind: str, port: int, secrets: Path, path: str = "metrics") -> tuple[str, str]:
    """What an exporter shows; and its command line with what it says. It is stopped then."""
    own = free_port()
    options = [
        word.replace(str(EXPORTERS[kind][1]), str(own)) for word in exporters.options(kind, port, "exporter")
    ]
    program = f"prometheus-{kind}-exporter"
    process = subprocess.Popen(
        [debian_binary(program, program), *options, f"{exporters.SECRETS_OPTIONS[kind]}={secrets}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        shown = answer(f"http://127.0.0.1:{own}/{path}", process)
        command = Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        process.kill()
    return shown, command + process.communicate()[0]


def answer(url: str, process: subprocess.Popen[str]) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 20
    while True:
        try:
            with direct.open(url, timeout=10) as found:
                text: str = found.read().decode()
                return text
        except OSError as error:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, f"it does not answer: {error}"
            time.sleep(0.1)


def in_the_place_of_redis() -> tuple[int, list[str]]:
    """Its port, and what it is told."""
    told: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with listening, connection, connection.makefile("rb") as lines:
            for line in lines:
                words = [
                    lines.read(int(lines.readline()[1:]) + 2).decode().strip() for _ in range(int(line[1:]))
                ]
                told.append(" ".join(words))
                connection.sendall(b"+OK\r\n" if words[0].upper() == "AUTH" else b"$-1\r\n")

    threading.Thread(target=serve, daemon=True).start()
    return int(listening.getsockname()[1]), told


def test_the_exporter_of_redis_takes_its_file(tmp_path: Path) -> None:
    port, told = in_the_place_of_redis()
    own = tmp_path / "redis.json"
    own.write_text(rendered("exporter-redis.json.jinja", port=port))
    shown, said = started("redis", port, own)
    assert f"AUTH exporter {PASSWORD}" in told
    assert "redis_up " in shown
    assert PASSWORD not in shown + said


def test_the_exporter_of_redis_gives_its_password_to_nobody_else(tmp_path: Path) -> None:
    """Who may ask it has it connect to any server."""
    port, told = in_the_place_of_redis()
    other, told_other = in_the_place_of_redis()
    own = tmp_path / "redis.json"
    own.write_text(rendered("exporter-redis.json.jinja", port=port))
    shown, _ = started("redis", port, own, f"scrape?target=redis://127.0.0.1:{other}")
    assert "redis_up " in shown
    assert told_other
    assert not any("AUTH" in words for words in (*told, *told_other))


def test_the_exporter_of_mysqld_connects_to_nobody_else(tmp_path: Path) -> None:
    """Later ones do (/probe?target=): from 0.15 on its password needs another look."""
    own = tmp_path / "my.cnf"
    own.write_text(rendered("exporter-mysqld.cnf.jinja", port=free_port()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.5)
        shown, said = started("mysqld", 0, own, f"probe?target=127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(TimeoutError):
            listening.accept()
    assert PASSWORD not in shown + said


def test_the_exporter_of_mysqld_takes_its_file(tmp_path: Path) -> None:
    own = tmp_path / "my.cnf"
    own.write_text(rendered("exporter-mysqld.cnf.jinja", port=free_port()))
    shown, said = started("mysqld", 0, own)
    assert "mysql_up 0" in shown
    assert "connection refused" in said
    assert PASSWORD not in shown + said


def test_a_unit_gets_its_secret_from_systemd() -> None:
    context = {"program": "x", "options": ["--a"], "needs": "/etc/k8s-exporters/my.cnf"}
    text = rendered("prometheus-program.conf.jinja", **context, secrets_option="--config.my-cnf")
    lines = [line.strip() for line in text.splitlines()]
    at = lines.index("--a \\")
    assert lines[at + 1 : at + 3] == [
        "--config.my-cnf=%d/my.cnf",
        "LoadCredential=my.cnf:/etc/k8s-exporters/my.cnf",
    ]
