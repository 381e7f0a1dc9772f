"""The metrics made here: the script itself, on real certificates, ports, sockets and an API that answers."""

import base64
import json
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dashboards
import promql
import pytest
from textfile_server import NOW, Server, certificate

from k8s_lifecycle.model.hold import ANNOTATION, Hold


@pytest.fixture
def server(tmp_path):
    return Server(tmp_path)


@pytest.fixture
def serve(listen):
    """A function that serves with a certificate on a port of loopback."""

    def start(pem, key, folder, answer=b"", status=200):
        pair = folder / "served.pem"
        pair.write_bytes(pem + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        return listen(lambda path: (status, answer), context)

    return start


def expires(days):
    return (NOW + timedelta(days=days)).timestamp()


def test_the_first_that_expires_counts_of_several_in_a_file(server):
    (server.files / "one.crt").write_bytes(certificate("one", 90)[0])
    (server.files / "bundle.pem").write_bytes(certificate("late", 20)[0] + certificate("soon", 10)[0])
    pair = certificate("pair", 5)
    (server.files / "pair.pem").write_bytes(pair[1] + pair[0])
    found, said = server.run()
    expiry = "k8s_certificate_file_expiry_timestamp_seconds"
    assert found[expiry, str(server.files / "one.crt")] == expires(90)
    assert found[expiry, str(server.files / "bundle.pem")] == expires(10)
    assert found[expiry, str(server.files / "pair.pem")] == expires(5)
    assert found["k8s_certificate_file_readable", str(server.files / "one.crt")] == 1
    assert said == ""


def test_a_kubeconfig_tells_of_what_is_inside_it_or_of_nothing(server):
    inside = base64.b64encode(certificate("admin", 7)[0]).decode()
    (server.files / "admin.conf").write_text(
        f"apiVersion: v1\nusers:\n- user: {{client-certificate-data: {inside}}}\n"
    )
    (server.files / "kubelet.conf").write_text(
        "apiVersion: v1\nusers:\n- user: {client-certificate: /x.pem}\n"
    )
    found, _ = server.run()
    files = {key[1] for key in found if key[0].startswith("k8s_certificate_file")}
    assert files == {str(server.files / "admin.conf")}
    assert found[
        "k8s_certificate_file_expiry_timestamp_seconds", str(server.files / "admin.conf")
    ] == expires(7)


def test_a_key_is_no_certificate_that_cannot_be_read(server):
    (server.files / "own-key.crt").write_bytes(certificate("one", 90)[1])
    found, _ = server.run()
    assert not [key for key in found if key[0].startswith("k8s_certificate_file")]


def test_a_torn_file_is_told_and_hides_no_other(server):
    whole = certificate("one", 90)[0]
    (server.files / "torn.crt").write_bytes(whole[: len(whole) // 2])
    (server.files / "whole.crt").write_bytes(whole)
    found, _ = server.run()
    assert found["k8s_certificate_file_readable", str(server.files / "torn.crt")] == 0
    assert found["k8s_certificate_file_readable", str(server.files / "whole.crt")] == 1
    assert found["k8s_textfile_failed", "certificate_files"] == 0


def test_what_is_served_is_told_whoever_signed_it(server, serve, tmp_path):
    port = serve(*certificate("localhost", 3)[:2], tmp_path).server_port
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = nobody.getsockname()[1]
        server.configuration["certificate_ports"] = [f"127.0.0.1:{port}", f"127.0.0.1:{closed}"]
        found, _ = server.run()
    assert found["k8s_certificate_served_expiry_timestamp_seconds", f"127.0.0.1:{port}"] == expires(3)
    assert found["k8s_certificate_served", f"127.0.0.1:{port}"] == 1
    assert found["k8s_certificate_served", f"127.0.0.1:{closed}"] == 0


def test_services(server):
    server.configuration["services"] = ["kubelet", "containerd"]
    server.systemctl('test "$*" = "is-active kubelet containerd" && printf "active\\nfailed\\n"; exit 3')
    found, _ = server.run()
    assert found["k8s_service_active", "kubelet"] == 1
    assert found["k8s_service_active", "containerd"] == 0


def test_a_part_that_cannot_be_made_is_told_and_so_is_when_all_could(server):
    began = time.time()
    found, _ = server.run()
    success = found["k8s_textfile_last_success_timestamp_seconds",]
    assert began <= success <= time.time()
    server.configuration["services"] = ["kubelet"]
    server.systemctl("exit 1")
    (server.files / "one.crt").write_bytes(certificate("one", 90)[0])
    found, said = server.run()
    assert found["k8s_textfile_failed", "services"] == 1
    assert found["k8s_textfile_failed", "certificate_files"] == 0
    assert found["k8s_certificate_file_readable", str(server.files / "one.crt")] == 1
    assert found["k8s_textfile_last_success_timestamp_seconds",] == success
    assert "services: RuntimeError" in said


def test_kubelet_and_containerd(server, plain, tmp_path):
    listening = plain({"/healthz": b"ok"})
    runtime = socket.socket(socket.AF_UNIX)
    runtime.bind(str(tmp_path / "containerd.sock"))
    runtime.listen()
    try:
        base = f"http://127.0.0.1:{listening.server_port}"
        (server.folder / "kubelet.conf").touch()
        server.configuration.update(kubelet=f"{base}/healthz", containerd=str(tmp_path / "containerd.sock"))
        found, _ = server.run()
        assert (found["k8s_kubelet_healthy",], found["k8s_containerd_answers",]) == (1, 1)
        server.configuration.update(kubelet=f"{base}/ill", containerd=str(tmp_path / "nothing.sock"))
        found, _ = server.run()
        assert (found["k8s_kubelet_healthy",], found["k8s_containerd_answers",]) == (0, 0)
    finally:
        runtime.close()


def test_what_is_no_node_yet_is_not_expected_to_be_one(server, plain):
    """Its kubelet waits for kubeadm, and nothing of a control plane listens."""
    listening = plain({"/healthz": b"ok"})
    server.configuration.update(
        kubelet=f"http://127.0.0.1:{listening.server_port}/healthz", node_ports=["127.0.0.1:1"]
    )
    found, _ = server.run()
    assert found["k8s_is_node",] == 0
    assert listening.asked == []
    assert not {"k8s_kubelet_healthy", "k8s_certificate_served"} & {name for name, *_ in found}
    (server.folder / "kubelet.conf").touch()
    found, _ = server.run()
    assert (found["k8s_is_node",], found["k8s_kubelet_healthy",]) == (1, 1)
    assert found["k8s_certificate_served", "127.0.0.1:1"] == 0


def test_until_when_a_node_is_held(server, serve, tmp_path):
    authority = certificate("authority", 100)
    hold = Hold("drain", "", "ops", "a new disk", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
    until = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    for annotation, unschedulable, wanted in (
        (hold.to_annotation(), True, until),
        (hold.to_annotation(), False, 0),
        ("{}", True, 0),
        ("rubbish", True, 0),
        (None, True, 0),
    ):
        annotations = {ANNOTATION: annotation} if annotation else None
        found = NODE | {"metadata": {"annotations": annotations}, "spec": {"unschedulable": unschedulable}}
        api = serve(*certificate("localhost", 1, authority)[:2], tmp_path, json.dumps(found).encode())
        kubeconfig(server, authority, api.server_port)
        assert server.run()[0]["k8s_node_hold_until_timestamp_seconds",] == wanted


NODE = {
    "metadata": {},
    "spec": {"unschedulable": True},
    "status": {
        "conditions": [
            {"type": "Ready", "status": "Unknown"},
            {"type": "DiskPressure", "status": "False"},
        ]
    },
}


def kubeconfig(server, authority, port):
    pem, secret, *_ = certificate("node", 1, authority)
    own = server.folder / "kubelet-client.pem"
    own.write_bytes(pem + secret)
    path = server.folder / "kubelet.conf"
    data = base64.b64encode(authority[0]).decode()
    path.write_text(
        "apiVersion: v1\nclusters:\n- cluster:\n"
        f"    certificate-authority-data: {data}\n    server: https://localhost:{port}\n"
        f"users:\n- user:\n    client-certificate: {own}\n    client-key: {own}\n"
    )
    server.configuration["node"] = {"name": "dc1-w-1", "kubeconfig": str(path), "hold": ANNOTATION}


def test_what_the_api_says_of_the_node(server, serve, tmp_path):
    authority = certificate("authority", 100)
    api = serve(*certificate("localhost", 1, authority)[:2], tmp_path, json.dumps(NODE).encode())
    kubeconfig(server, authority, api.server_port)
    found, said = server.run()
    assert api.asked == ["/api/v1/nodes/dc1-w-1"]
    assert (found["k8s_node_api_answers",], found["k8s_node_unschedulable",]) == (1, 1)
    ready = {
        status: found["k8s_node_condition", *sorted(("Ready", status))]
        for status in ("true", "false", "unknown")
    }
    assert ready == {"true": 0, "false": 0, "unknown": 1}
    assert found["k8s_node_condition", "DiskPressure", "false"] == 1
    assert said == ""


def test_an_api_of_another_authority_or_that_refuses_does_not_answer(server, serve, tmp_path):
    authority, other = certificate("authority", 100), certificate("other", 100)
    for signer, status in ((other, 200), (authority, 403)):
        api = serve(*certificate("localhost", 1, signer)[:2], tmp_path, json.dumps(NODE).encode(), status)
        kubeconfig(server, authority, api.server_port)
        found, said = server.run()
        assert found["k8s_node_api_answers",] == 0
        assert "the API does not answer" in said
        assert not any(key[0] == "k8s_node_condition" for key in found)


def test_what_a_consul_server_sees_of_the_others(server, plain):
    checks = [{"Node": "dc1-w-1", "Status": "passing"}, {"Node": "dc1-w-2", "Status": "critical"}]
    listening = plain({"/v1/health/state/any": json.dumps(checks).encode()})
    server.configuration["consul"] = f"http://127.0.0.1:{listening.server_port}/v1"
    found, said = server.run()
    assert (found["k8s_consul_has_leader",], found["k8s_consul_members",]) == (1, 2)
    assert found["k8s_consul_member_failed", "dc1-w-2"] == 1
    assert ("k8s_consul_member_failed", "dc1-w-1") not in found
    assert said == ""
    assert "serfHealth" in listening.asked[0]


def test_a_consul_server_without_a_leader(server, plain):
    listening = plain({})
    server.configuration["consul"] = f"http://127.0.0.1:{listening.server_port}/v1"
    found, said = server.run()
    assert found["k8s_consul_has_leader",] == 0
    assert "Consul does not answer" in said
    assert ("k8s_consul_members",) not in found


def test_the_last_highstate(server):
    path = Path(server.configuration["highstate"])
    note = {
        "began": 10.0,
        "ended": 20.5,
        "states": 30,
        "failures": 2,
        "failed": ["a", "b"],
        "unfinished": None,
    }
    path.write_text(json.dumps(note))
    found, _ = server.run()
    assert found["k8s_highstate_ended_timestamp_seconds",] == 20.5
    assert (found["k8s_highstate_states",], found["k8s_highstate_failures",]) == (30, 2)
    assert found["k8s_highstate_unfinished_timestamp_seconds",] == 0
    path.write_text(json.dumps({**note, "ended": None, "unfinished": 7.0}))
    found, _ = server.run()
    assert ("k8s_highstate_ended_timestamp_seconds",) not in found
    assert found["k8s_highstate_unfinished_timestamp_seconds",] == 7


def test_all_that_rules_and_dashboards_use_is_made(server, serve, plain, tmp_path):
    """Everything on at once; an alert on a metric that nobody makes would be silent, a panel empty."""
    (server.files / "one.crt").write_bytes(certificate("one", 90)[0])
    authority = certificate("authority", 100)
    api = serve(*certificate("localhost", 1, authority)[:2], tmp_path, json.dumps(NODE).encode())
    kubeconfig(server, authority, api.server_port)
    checks = json.dumps([{"Node": "dc1-w-2", "Status": "critical"}]).encode()
    local = f"http://127.0.0.1:{plain({'/health/state/any': checks, '/healthz': b'ok'}).server_port}"
    Path(server.configuration["highstate"]).write_text(
        json.dumps({"ended": 20.5, "states": 30, "failures": 2, "unfinished": 30.0})
    )
    server.systemctl("echo active")
    server.configuration.update(
        certificate_ports=[f"127.0.0.1:{api.server_port}"],
        services=["consul"],
        kubelet=f"{local}/healthz",
        containerd="/nowhere.sock",
        consul=local,
    )
    found, said = server.run()
    assert said == ""
    wanted = {name for name in promql.used() | dashboards.used() if name.startswith("k8s_")}
    assert wanted - {name for name, *_ in found} == set()


def test_the_file_is_whole_at_every_moment(server):
    server.run()
    first = server.target.stat()
    server.run()
    assert server.target.stat().st_ino != first.st_ino
    assert [path.name for path in server.target.parent.iterdir()] == ["k8s.prom"]
    assert server.target.stat().st_mode & 0o777 == 0o644


def test_every_metric_has_a_meaning_and_a_type(server):
    (server.files / 'a"b\\c.crt').write_bytes(certificate("one", 90)[0])
    server.run()
    lines = server.target.read_text().splitlines()
    names = {line.partition("{")[0].partition(" ")[0] for line in lines if not line.startswith("#")}
    for kind in ("HELP", "TYPE"):
        assert {line.split()[2] for line in lines if line.startswith(f"# {kind} ")} == names
    found = server.read()
    assert found["k8s_certificate_file_readable", str(server.files / 'a"b\\c.crt')] == 1
