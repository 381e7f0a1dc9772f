"""Certificates: reported, rotated while a client calls the API, cut off, not taken, all expired."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cuts
from expiry import CLIENT, expire_all
from lab_session import ROOT, Lab, is_ready, wait_until

CLUSTER = "dc1-prod"
CONTROL_PLANES = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3"]
WORKERS = ["dc1-w-1", "dc1-w-2"]
LEAVES = {
    "apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client",
    "etcd/server", "etcd/peer", "etcd/healthcheck-client",
    "admin.conf", "controller-manager.conf", "scheduler.conf",
}  # fmt: skip
RESTARTED = {"kube-controller-manager", "kube-scheduler"}
CERTIFICATES = "var/lib/k8s-lifecycle/certificates"
SCHEDULER = "/etc/kubernetes/manifests/kube-scheduler.yaml"


def reports(lab: Lab) -> dict[str, dict[str, Any]]:
    return lab.salts(CONTROL_PLANES, "k8s_pki.report")


def fingerprints(report: dict[str, Any], kind: str) -> dict[str, str]:
    """Fingerprints of leaf certificates by name: in files, or as ports show them."""
    return {
        f"{one['name']} {one['where']}": one["fingerprint"]
        for one in report[kind]
        if one["name"] in LEAVES and not one.get("authority")
    }


def test_every_certificate_of_every_server_is_told(demo: Lab, provisioned: dict[str, Any]) -> None:
    told = demo.run("k8s.certificates", CLUSTER)
    rows = told["certificates"]
    assert told["warnings"] == []
    assert {row["server"] for row in rows} >= {*CONTROL_PLANES, *WORKERS}
    assert [row["expires"] for row in rows] == sorted(row["expires"] for row in rows)
    for server in CONTROL_PLANES:
        own = [row for row in rows if row["server"] == server]
        assert {row["name"] for row in own} >= {*LEAVES, "ca", "front-proxy-ca", "etcd/ca"}
        ports = {"port 6443", "port 2379", "port 2380", "port 10250", "port 10257", "port 10259"}
        assert {row["where"] for row in own if row["where"].startswith("port")} == ports
    assert demo.run("k8s.certificates", CLUSTER, "days=400", check=False)["retcode"] == 1


def test_rotated_while_a_client_calls_the_api(demo: Lab, provisioned: dict[str, Any]) -> None:
    before = reports(demo)
    with calling(demo) as calls:
        report = demo.run("k8s.rotate_certs", CLUSTER, "older_than=0")
    after = reports(demo)
    assert [step["verb"] for step in report["steps"]] == ["renew"] * 3
    for server in CONTROL_PLANES:
        for kind in ("files", "served"):
            old, new = (fingerprints(seen[server], kind) for seen in (before, after))
            assert old.keys() == new.keys()
            assert [name for name in new if new[name] == old[name]] == []
        started = {name: after[server]["started"][name] for name in after[server]["started"]}
        moved = {name for name, when in started.items() if when != before[server]["started"][name]}
        assert moved == RESTARTED
        written = {one["name"]: one["written"] for one in after[server]["files"]}
        assert started["kube-controller-manager"] >= written["controller-manager.conf"]
        assert started["kube-scheduler"] >= written["scheduler.conf"]
    assert calls.count("ok") > 50
    assert calls.count("failed") == 0, f"{calls.count('failed')} of {len(calls)} calls failed twice"
    assert demo.run("k8s.rotate_certs", CLUSTER, "older_than=1")["steps"] == []


@contextmanager
def calling(lab: Lab) -> Iterator[list[str]]:
    """Call the API through the virtual address ten times a second, each call with one retry."""
    call = (
        "curl --silent --fail --max-time 2 --output /dev/null --cacert /etc/kubernetes/pki/ca.crt "
        "https://api.dc1-prod.lab:8443/version"
    )
    loop = f"while sleep 0.1; do {call} || {call} && echo ok || echo failed; done"
    asking = lab.start("exec", "dc1-cp-2", "--", "sh", "-c", loop)
    heard: list[str] = []
    try:
        yield heard
    finally:
        lab("exec", "dc1-cp-2", "--", "pkill", "-f", "while sleep 0.1", check=False)
        heard += asking.communicate(timeout=30)[0].split()


def test_cut_off_at_each_step_of_one_server_and_run_again(demo: Lab, provisioned: dict[str, Any]) -> None:
    victim = planned(demo, "older_than=0")[0]
    at = ROOT / "build/lab" / demo.name / "servers" / victim / "upper"  # its disk, seen from here
    manifest = at / SCHEDULER.lstrip("/")
    before = manifest.stat().st_mtime
    moments: dict[str, Callable[[], bool]] = {
        "being made": (at / CERTIFICATES / "staging/pki").exists,
        "made": (at / CERTIFICATES / "staging-is-whole").exists,
        "restarting": lambda: manifest.stat().st_mtime != before,
    }
    for moment, reached in moments.items():
        run = cuts.started(demo, f"renew {victim}", "k8s.rotate_certs", CLUSTER, "older_than=0")
        wait_until(f"certificates {moment}", reached, 60, every=0.005)
        cuts.kill_minion(demo, victim)
        cuts.restart_minion(demo, victim)  # which tells the run that the job is gone
        said = run.communicate(timeout=cuts.ENDED)[0]
        assert run.returncode == 1, said
    demo.run("k8s.rotate_certs", CLUSTER, "older_than=1")
    assert demo.run("k8s.rotate_certs", CLUSTER, "older_than=1")["steps"] == []
    assert demo.run("k8s.certificates", CLUSTER)["warnings"] == []


def planned(lab: Lab, *options: str) -> list[str]:
    """The servers of a rotation's plan, in its order."""
    plan = lab.run("k8s.rotate_certs", CLUSTER, *options, "test=True", check=False)
    return [step["server"] for wave in plan["waves"] for step in wave["steps"]]


def test_a_component_that_does_not_come_back_stops_it_there(demo: Lab, provisioned: dict[str, Any]) -> None:
    broken = planned(demo, "older_than=0")[0]
    before = reports(demo)
    demo("exec", broken, "--", "sed", "-i", "s/    - kube-scheduler$/&-of-nobody/", SCHEDULER)
    try:
        report = demo.run("k8s.rotate_certs", CLUSTER, "older_than=0", check=False)
    finally:
        demo("exec", broken, "--", "sed", "-i", "s/kube-scheduler-of-nobody/kube-scheduler/", SCHEDULER)
    (step,) = report["steps"]
    assert step["server"] == broken
    assert "kube-scheduler did not come back" in step["failed"]
    assert "the certificates of before are back" in step["failed"]
    after = reports(demo)
    for server in CONTROL_PLANES:
        assert fingerprints(before[server], "files") == fingerprints(after[server], "files")
    wait_until("the scheduler", lambda: is_well(demo, broken), 120)
    demo.run("k8s.rotate_certs", CLUSTER, "older_than=1")


def is_well(lab: Lab, server: str) -> bool:
    found = lab("exec", server, "--", "curl", "-sk", "https://127.0.0.1:10259/healthz", check=False)
    return found.stdout == "ok"


def test_a_cluster_whose_certificates_have_all_expired_is_recovered(
    demo: Lab, provisioned: dict[str, Any]
) -> None:
    expire_all(demo, CONTROL_PLANES, WORKERS)
    wait_until("the API to be gone", lambda: not answers(demo), 120)
    told = demo.run("k8s.certificates", CLUSTER, check=False)
    assert sum(warning.endswith("has expired") for warning in told["warnings"]) >= 40
    report = demo.run("k8s.rotate_certs", CLUSTER)
    assert [step["verb"] for step in report["steps"]].count("recover") == 3
    assert {step["server"] for step in report["steps"] if step["verb"] == "renew_kubelet"} == set(WORKERS)
    nodes = demo.nodes("dc1-cp-1")
    wait_until("every node to be Ready", lambda: all(map(is_ready, demo.nodes("dc1-cp-1").values())), 120)
    assert len(nodes) == 5
    for server in WORKERS:
        assert demo(
            "exec", server, "--", "ls", "/etc/kubernetes/bootstrap-kubelet.conf", check=False
        ).returncode
        assert demo("exec", server, "--", "test", "-s", CLIENT).returncode == 0
    assert demo.run("k8s.certificates", CLUSTER)["warnings"] == []
    assert demo.run("k8s.verify", CLUSTER)["retcode"] == 0


def answers(lab: Lab) -> bool:
    return json.loads(lab.kubectl("dc1-cp-1", "get", "--raw", "/version", check=False) or "null") is not None
