"""Whom Prometheus asks: the script itself, with what Consul answers."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "states/k8s/files/k8s_targets.py"
PLACE = {"environment": "prod", "cluster": "dc1-prod", "role": "worker", "pool": "general"}


def instance(node, address="10.11.0.1", port=9100, own="", **meta):
    """What Consul's health API has for one server; the checks are not looked at."""
    return {
        "Node": {"Node": node, "Address": address, "Datacenter": "dc1"},
        "Service": {"Address": own, "Port": port, "Meta": meta or None},
        "Checks": [{"Status": "critical"}],
    }


def run(url, folder, *jobs):
    command = [sys.executable, "-I", SCRIPT, url, folder, *jobs]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_all_servers_are_told_with_their_place_well_or_not(plain, tmp_path):
    found = [instance("dc1-x"), instance("dc1-w-1", "10.11.0.2", own="10.99.0.2", more="no", **PLACE)]
    listening = plain({"/v1/health/service/node-exporter": json.dumps(found).encode()})
    done = run(f"http://127.0.0.1:{listening.server_port}", tmp_path, "node=node-exporter")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "node.json").read_text()) == [
        {"targets": ["10.99.0.2:9100"], "labels": {"instance": "dc1-w-1", "datacenter": "dc1", **PLACE}},
        {"targets": ["10.11.0.1:9100"], "labels": {"instance": "dc1-x", "datacenter": "dc1"}},
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["node.json"]
    assert (tmp_path / "node.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("answers", [True, False])
def test_where_consul_does_not_answer_the_file_stays(plain, tmp_path, answers):
    (tmp_path / "node.json").write_text("[]")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = plain({}).server_port if answers else nobody.getsockname()[1]
        done = run(f"http://127.0.0.1:{port}", tmp_path, "node=node-exporter")
    assert done.returncode == 1
    assert "Consul does not tell who has node-exporter" in done.stderr
    assert (tmp_path / "node.json").read_text() == "[]"
