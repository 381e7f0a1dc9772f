"""What is as its spec asks for stays untouched, by provision and by highstate."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from lab_session import Lab, change_spec, wait_until

NODES = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3", "dc1-w-1", "dc1-w-2"]
SERVERS = [*NODES, "dc1-spare-1"]

LASTING = ("/boot", "/etc", "/home", "/opt", "/root", "/srv", "/usr", "/var")
# What lives: logs, Salt's record of its own jobs, etcd's data, the runtimes' accounts of what runs.
LIVING = (
    "/var/log/",
    "/var/cache/salt",
    "/var/lib/etcd",
    "/var/lib/containerd",
    "/var/lib/chrony",
    "/var/lib/systemd/timers",
    "/var/lib/kubelet/pods",
)
PROGRAMS = (
    "chronyd|containerd|coredns|etcd|flanneld|haproxy|keepalived|kube-apiserver|kube-controller|kube-proxy|"
    "kube-scheduler|kubelet"
)
# Process id, program, and when it started in ticks since boot: the time of day that ps makes of those differs
# by a second from one look to the next.
TRACES = f"""
pgrep --exact '{PROGRAMS}' | while read -r process; do cut -d ' ' -f 1,2,22 "/proc/$process/stat"; done
dpkg-query --show
ctr --namespace k8s.io tasks ls 2>/dev/null | grep RUNNING || true
"""


def test_then_there_is_nothing_to_do(demo: Lab, provisioned: dict[str, Any]) -> None:
    assert demo.run("k8s.plan", "dc1-prod")["waves"] == []
    assert demo.run("k8s.provision", "dc1-prod")["steps"] == []
    wait_until("every server and etcd member to be well", lambda: is_healthy(demo), 60)


def is_healthy(lab: Lab) -> bool:
    found = lab.run("k8s.status", "dc1-prod", check=False)["clusters"]["dc1-prod"]
    return bool(found["healthy"])


def test_and_nothing_at_all_is_changed(demo: Lab, provisioned: dict[str, Any]) -> None:
    """No file, process, container, nor object but leases, events and what kubelets say of their nodes."""
    wait_until(
        "kubelets and controllers of a new cluster to have written it all", lambda: is_still(demo), 120
    )
    before, objects_before = all_traces(demo, SERVERS), objects(demo)
    for server in SERVERS:
        demo("exec", server, "--", "touch", "/run/before")
    assert demo.run("k8s.provision", "dc1-prod")["steps"] == []
    for server in SERVERS:
        changed = demo("exec", server, "--", "find", *LASTING, "-xdev", "-newer", "/run/before").stdout
        assert [path for path in changed.splitlines() if not path.startswith(LIVING)] == []
    assert differences(before, all_traces(demo, SERVERS)) == []
    assert differences(objects_before, objects(demo)) == []


def test_highstate_changes_nothing_either(demo: Lab, provisioned: dict[str, Any]) -> None:
    before = all_traces(demo, SERVERS)
    for server, states in demo.salts(SERVERS, "state.highstate").items():
        assert isinstance(states, dict), (server, states)
        assert {name: state["changes"] for name, state in states.items() if state["changes"]} == {}
        assert all(state["result"] is True for state in states.values()), server
    assert differences(before, all_traces(demo, SERVERS)) == []


def test_another_version_in_the_pillar_is_reported_by_highstate_and_moves_nothing(
    demo: Lab, own: Path, provisioned: dict[str, Any]
) -> None:
    before = all_traces(demo, NODES)
    change_spec(own, "dc1-prod", "kubernetes.version", "1.36.3")
    try:
        returned = demo.salts(NODES, "state.highstate")
        plan = demo.run("k8s.plan", "dc1-prod", check=False)
    finally:
        change_spec(own, "dc1-prod", "kubernetes.version", "1.37.2")
    for server, states in returned.items():
        assert isinstance(states, dict), (server, states)
        drift = [state["comment"] for state in states.values() if "differs from its spec" in state["comment"]]
        assert len(drift) == 1, server
        assert "1.36.3" in drift[0]
        assert {name: state["changes"] for name, state in states.items() if state["changes"]} == {}
    assert not {step["server"] for wave in plan["waves"] for step in wave["steps"]} & set(NODES)
    assert plan["notes"] == [
        "the cluster runs 1.37.2, the spec asks for 1.36.3: provision never upgrades",
    ]
    assert differences(before, all_traces(demo, NODES)) == []


def all_traces(lab: Lab, servers: list[str]) -> dict[str, Any]:
    """The processes of servers, their packages, the containers that run: each line with its server."""
    texts = {server: lab("exec", server, "--", "sh", "-c", TRACES).stdout for server in servers}
    return {f"{server}: {line}": "there" for server, text in texts.items() for line in text.splitlines()}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What was added, removed or changed."""
    return sorted(
        f"{what}: {before.get(what)} -> {after.get(what)}"
        for what in before.keys() | after.keys()
        if (what in before, before.get(what)) != (what in after, after.get(what))
    )


def is_still(lab: Lab) -> bool:
    """Whether nothing changes within some seconds though nobody does anything."""
    before = objects(lab)
    time.sleep(10)
    return differences(before, objects(lab)) == []


def objects(lab: Lab) -> dict[str, Any]:
    """Every object of the cluster with its version; of nodes only what is asked of them."""
    kinds = lab.kubectl("dc1-cp-1", "api-resources", "--verbs=list", "-o", "name").split()
    lasting = ",".join(
        kind for kind in kinds if not kind.startswith(("events", "leases", "componentstatuses"))
    )
    found = json.loads(lab.kubectl("dc1-cp-1", "get", lasting, "-A", "-o", "json"))["items"]
    return {
        f"{one['kind']} {one['metadata'].get('namespace', '')} {one['metadata']['name']}": one["spec"]
        if one["kind"] == "Node"
        else one["metadata"].get("resourceVersion")
        for one in found
    }
