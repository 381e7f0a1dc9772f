"""Whom Prometheus asks: the script itself, with what Consul answers."""

import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "states/k8s/files/k8s_targets.py"
PLACE = {"environment": "prod", "cluster": "dc1-prod", "role": "worker", "pool": "general"}


def node(name, address="10.11.0.1", **meta):
    """What Consul's catalogue has for one server."""
    return {"Node": name, "Address": address, "Datacenter": "dc1", "Meta": meta or None}


def run(url, folder, jobs, **more):
    """The script with a configuration; its files go to the folder `targets`."""
    asked = {"consul": url, "directory": str(folder / "targets"), "jobs": jobs, "clusters": [], **more}
    (folder / "targets").mkdir(exist_ok=True)
    (folder / "asked.json").write_text(json.dumps(asked))
    command = [sys.executable, "-I", SCRIPT, folder / "asked.json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


NODES = [
    node("dc1-x"),
    node("dc1-w-1", "10.11.0.2", more="no", **PLACE),
    node("k8s_dc1-prod", "10.11.0.100", **{"managed-by": "k8s-lifecycle"}),
    node("elsewhere"),
]
ALL = [{"servers": ["dc1-*", "k8s*"], "port": 9100}]


def test_all_servers_are_told_with_their_place_where_their_nodes_are(plain, tmp_path):
    listening = plain({"/v1/catalog/nodes": json.dumps(NODES).encode()})
    jobs = {
        "node": ALL,
        "redis": [{"servers": ["dc1-x"], "port": 9121}, {"servers": ["dc1-w-?"], "port": 1}],
        "none": [],
    }
    done = run(f"http://127.0.0.1:{listening.server_port}", tmp_path, jobs)
    assert (done.returncode, done.stderr) == (0, "")
    worker, other = ({"instance": name, "datacenter": "dc1"} for name in ("dc1-w-1", "dc1-x"))
    found = {path.name: json.loads(path.read_text()) for path in (tmp_path / "targets").iterdir()}
    assert found == {
        "node.json": [
            {"targets": ["10.11.0.2:9100"], "labels": {**worker, **PLACE}},
            {"targets": ["10.11.0.1:9100"], "labels": other},
        ],
        "redis.json": [
            {"targets": ["10.11.0.2:1"], "labels": {**worker, **PLACE}},
            {"targets": ["10.11.0.1:9121"], "labels": other},
        ],
        "none.json": [],
    }
    assert (tmp_path / "targets/node.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("answers", [True, False])
def test_where_consul_does_not_answer_the_file_stays(plain, tmp_path, answers):
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/node.json").write_text("[]")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = plain({}).server_port if answers else nobody.getsockname()[1]
        done = run(f"http://127.0.0.1:{port}", tmp_path, {"node": ALL})
    assert done.returncode == 1
    assert "Consul does not tell of servers" in done.stderr
    assert (tmp_path / "targets/node.json").read_text() == "[]"


def pod(name, phase="Running", **metadata):
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"nodeName": "dc1-w-1"},
        "status": {"phase": phase},
    }


@pytest.fixture
def api(listen, tmp_path):
    """A function that starts an API server for clients of its own authority, which tells of pods."""
    words = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    files = ("-keyout", tmp_path / "one.key", "-out", tmp_path / "one.crt")
    names = ("-subj", "/CN=one", "-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run([*words, *files, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "one.crt", tmp_path / "one.key")
    context.load_verify_locations(tmp_path / "one.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return lambda told, status=200: listen(lambda path: (status, json.dumps(told).encode()), context)


def test_who_says_too_much_is_not_listened_to(plain, tmp_path):
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/node.json").write_text("[]")
    flood = plain({"/v1/catalog/nodes": b"[" + b" " * (16 << 20) + b"]"})
    done = run(f"http://127.0.0.1:{flood.server_port}", tmp_path, {"node": ALL})
    assert done.returncode == 1
    assert done.stderr == "Consul does not tell of servers: it says more than 16 MiB\n"
    assert (tmp_path / "targets/node.json").read_text() == "[]"


def cluster(folder, name, port):
    own = {"certificate": str(folder / "one.crt"), "authority": str(folder / "one.crt")}
    return {"name": name, "environment": "prod", "api": f"127.0.0.1:{port}", **own}


def test_pods_of_coredns_are_asked_through_the_api_but_those_that_go(plain, api, tmp_path):
    found = [
        pod("coredns-b"),
        pod("coredns-a", "Pending"),
        pod("old", "Failed"),
        pod("going", deletionTimestamp="x"),
    ]
    serving, failing = api({"items": found}), api({}, status=403)
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/coredns-ill.json").write_text("[]")
    consul = plain({"/v1/catalog/nodes": b"[]"})
    done = run(
        f"http://127.0.0.1:{consul.server_port}",
        tmp_path,
        {},
        datacenter="dc1",
        key=str(tmp_path / "one.key"),
        dns_port=9153,
        clusters=[
            cluster(tmp_path, "ill", failing.server_port),
            cluster(tmp_path, "well", serving.server_port),
        ],
    )
    assert (done.returncode, done.stderr) == (
        0,
        "ill does not tell its pods of CoreDNS: HTTP Error 403: Forbidden\n",
    )
    assert serving.asked == ["/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns"]
    told = json.loads((tmp_path / "targets/coredns-well.json").read_text())
    assert [one["labels"].pop("__metrics_path__") for one in told] == [
        f"/api/v1/namespaces/kube-system/pods/{name}:9153/proxy/metrics"
        for name in ("coredns-a", "coredns-b")
    ]
    place = {"datacenter": "dc1", "environment": "prod", "cluster": "well", "node": "dc1-w-1"}
    assert told == [
        {"targets": [f"127.0.0.1:{serving.server_port}"], "labels": {"instance": name, **place}}
        for name in ("coredns-a", "coredns-b")
    ]
    assert (tmp_path / "targets/coredns-ill.json").read_text() == "[]"
