"""Differences of many kinds, planted on real servers: one inventory tells them all, and none once mended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from expiry import expiring
from lab_session import Lab, change_spec, is_ready, wait_until

SERVERS = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3", "dc1-w-1", "dc1-w-2", "dc1-spare-1"]
SYSCTL = "/etc/sysctl.d/90-k8s.conf"
CONTAINERD = "/etc/containerd/config.toml"
INSTALL_AGENTS = """
apt-get -q update
apt-get -q install --yes --no-install-recommends prometheus-node-exporter consul
systemctl stop prometheus-node-exporter consul
"""
PURGE_AGENTS = "apt-get -q purge --yes --auto-remove prometheus-node-exporter consul"

# Where, of which kind, and what it says of it.
EXPECTED = {
    ("dc1-cp-1", "grain", "its grain environment is dev, its spec says prod"),
    ("dc1-cp-2", "system", f"{SYSCTL} is not as highstate lays it out"),
    ("dc1-cp-3", "certificate", "front-proxy-client expires in 5.1 days"),
    ("dc1-w-1", "silent", "silent, last seen"),
    ("dc1-w-1", "hold", "cordoned, and held by nobody"),
    ("dc1-w-2", "service", "its kubelet is inactive"),
    ("dc1-w-2", "node", "its node is NotReady"),
    ("dc1-w-2", "spec", f"kubelet is not held: apt would upgrade it; {CONTAINERD} is not"),
    ("dc1-w-2", "twin", "it has the same machine id as dc1-spare-1"),
    ("dc1-spare-1", "twin", "it has the same machine id as dc1-w-2"),
    ("dc1-spare-1", "claim", "it claims the role spare, and no spec names it"),
    ("dc1-spare-1", "highstate", "2 states of its last highstate failed: k8s-kernel, k8s-joined"),
    ("dc1-spare-1", "agent", "its monitoring agent node_exporter is inactive"),
    ("dc1-spare-1", "consul", "Consul is stopped on it"),
    ("dc1-w-9", "no key", "dc1-prod names it, and the master has no key of it"),
    ("dc1-w-9", "membership", "it is no node of dc1-prod (yet)"),
    ("stranger", "no server", "dc1-prod has this node, and the master knows no such server"),
}


def test_what_is_planted_is_told_and_gone_again_once_mended(
    demo: Lab, own: Path, provisioned: dict[str, Any]
) -> None:
    before = demo.drift("dc1")  # that there was no highstate yet, when this file is run by itself
    with ExitStack() as planted:
        for one in (
            demo.by_hand("dc1-w-2", "systemctl stop kubelet", "systemctl start kubelet"),
            demo.by_hand("dc1-w-2", "apt-mark unhold kubelet", "apt-mark hold kubelet"),
            demo.by_hand("dc1-w-2", *edit(CONTAINERD)),
            demo.by_hand("dc1-cp-2", *edit(SYSCTL)),
            demo.by_hand("dc1-spare-1", INSTALL_AGENTS, PURGE_AGENTS),
            demo.by_hand("dc1-spare-1", *a_clone_of(machine_id(demo, "dc1-w-2"))),
            expiring(demo, "dc1-cp-3", "front-proxy-client", days=5.1),
            cordoned(demo, "dc1-w-1"),
            stranger(demo),
            demo.another_grain("dc1-cp-1", "environment", "prod", "dev"),
            failing_highstate(demo, "dc1-spare-1"),
            other_servers(own),
            without_minion(demo, "dc1-w-1"),
        ):
            planted.enter_context(one)
        wait_until("dc1-w-2 to be NotReady", lambda: not is_ready(demo.nodes("dc1-cp-1")["dc1-w-2"]), 90)
        told = demo.drift("dc1") - before
    missed = {wanted for wanted in EXPECTED if not any(is_about(wanted, one) for one in told)}
    too_much = {one for one in told if not any(is_about(wanted, one) for wanted in EXPECTED)}
    assert (missed, too_much) == (set(), set())
    for server, states in demo.salts(SERVERS, "state.highstate").items():
        assert isinstance(states, dict), (server, states)
        assert all(state["result"] for state in states.values()), (server, states)
    wait_until("dc1-w-2 to be Ready", lambda: is_ready(demo.nodes("dc1-cp-1")["dc1-w-2"]), 90)
    assert demo.drift("dc1") == set()


def is_about(expected: tuple[str, str, str], found: tuple[str, str, str]) -> bool:
    return expected[:2] == found[:2] and found[2].startswith(expected[2])


def edit(path: str) -> tuple[str, str]:
    kept = f"/root/{Path(path).name}"
    return f"cp --archive {path} {kept}; echo '# by hand' >>{path}", f"mv {kept} {path}"


def machine_id(lab: Lab, server: str) -> str:
    return lab("exec", server, "--", "cat", "/etc/machine-id").stdout.strip()


def a_clone_of(machine: str) -> tuple[str, str]:
    keep = "cp --archive /etc/machine-id /root"
    return f"{keep}; echo {machine} >/etc/machine-id", "cat /root/machine-id >/etc/machine-id"


@contextmanager
def cordoned(lab: Lab, server: str) -> Iterator[None]:
    lab.kubectl("dc1-cp-1", "cordon", server)
    try:
        yield
    finally:
        lab.kubectl("dc1-cp-1", "uncordon", server)


@contextmanager
def stranger(lab: Lab) -> Iterator[None]:
    """A node that no server is. Without labels no DaemonSet wants to run on it."""
    lab.apply("dc1-cp-1", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "stranger"}})
    try:
        yield
    finally:
        lab.kubectl("dc1-cp-1", "delete", "node", "stranger")


@contextmanager
def failing_highstate(lab: Lab, server: str) -> Iterator[None]:
    """A directory where a file is to be. The next highstate mends it."""
    with lab.by_hand(server, f"rm {SYSCTL}; mkdir {SYSCTL}", f"rmdir {SYSCTL}"):
        lab.salt(server, "state.highstate")
        yield


@contextmanager
def other_servers(own: Path) -> Iterator[None]:
    """The spec names a worker that is not there, and no spare."""
    before = {"pools.general.servers": ["dc1-w-*"], "spares": ["dc1-spare-*"]}
    named = {"pools.general.servers": ["dc1-w-1", "dc1-w-2", "dc1-w-9"], "spares": []}
    for setting, value in named.items():
        change_spec(own, "dc1-prod", setting, value)
    try:
        yield
    finally:
        for setting, value in before.items():
            change_spec(own, "dc1-prod", setting, value)


@contextmanager
def without_minion(lab: Lab, server: str) -> Iterator[None]:
    with lab.by_hand(server, "systemctl stop salt-minion", "systemctl start salt-minion"):
        yield
    lab.wait_for_minions(server)
