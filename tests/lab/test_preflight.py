"""Everything that is wrong with bare servers is named at once, and nothing was touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_session import Lab, change_spec, is_ready, own_layout

CLUSTER, OTHER = "dc1-prod", "dc2-prod"
MISSING = "2.3.99-1"
SERVERS = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3", "dc1-w-1", "dc1-w-2", "dc1-spare-1"]

FAULTS = {
    "dc1-cp-1": "systemd-run --quiet /opt/saltstack/salt/bin/python3 -m http.server 6443",
    # The servers share their kernel's clock and its list of swap devices. So these two are simulated: the
    # minion of this server is told another time, and shown another list.
    "dc1-cp-2": """
        printf 'Filename Type Size Used Priority\\n/dev/sdb1 partition 1048572 0 -2\\n' > /run/swaps
        mount --bind /run/swaps /proc/swaps
        cd /opt/saltstack/salt/lib/python3.*/site-packages
        echo 'import time; time.time = lambda now=time.time: now() - 90' > slow_clock.pth
        systemctl restart salt-minion
    """,
    "dc1-w-1": """
        mkdir -p /var/lib/kubelet
        mount -t tmpfs -o size=300m tmpfs /var/lib/kubelet
        fallocate --length 290m /var/lib/kubelet/full
    """,
}
TWINS = ("dc1-w-1", "dc1-spare-1")
CUT_OFF = "dc1-cp-3"
SILENT = "dc1-w-2"


@pytest.fixture(scope="module")
def built(built: Lab) -> Lab:
    return built.named("preflight")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_layout("demo", tmp_path_factory.mktemp("preflight"))


@pytest.fixture(scope="module")
def spoiled(built: Lab, layout: Path) -> Iterator[Lab]:
    """Bare servers with a fault each, and a version in the pillar that no repository has."""
    change_spec(layout, CLUSTER, "packages.containerd.version", MISSING)
    with built.up(layout):
        for server, fault in FAULTS.items():
            built("exec", server, "--", "sh", "-ec", fault)
        twin = built("exec", TWINS[1], "--", "cat", "/etc/machine-id").stdout
        built("exec", TWINS[0], "--", "sh", "-c", f"echo {twin.strip()} > /etc/machine-id")
        built("cut", CUT_OFF, "mirror")
        built("freeze", SILENT)
        yield built


def files(lab: Lab) -> dict[str, str]:
    """What each server has under /etc and /usr, with the times of its last changes.

    Salt itself writes its schedule some seconds after a minion has started.
    """
    find = ("find", "/etc", "/usr", "-newer", "/etc/hostname", "!", "-name", "_schedule.conf")
    find += ("!", "-path", "/etc/salt/minion.d", "-printf", "%p %T@\\n")
    return {server: lab("exec", server, "--", *find).stdout for server in SERVERS if server != SILENT}


@pytest.fixture(scope="module")
def before(spoiled: Lab) -> dict[str, str]:
    """The servers' files before the provision."""
    return files(spoiled)


@pytest.fixture(scope="module")
def report(spoiled: Lab, before: dict[str, str]) -> dict[str, Any]:
    """The report of a provision of these servers."""
    return spoiled.run("k8s.provision", CLUSTER, check=False)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("dc1-cp-1", "port 6443, which kube-apiserver needs, is in use by python3"),
        ("dc1-cp-2", "swap is on (/dev/sdb1)"),
        ("dc1-cp-2", "behind the master's"),
        ("dc1-cp-3", "cannot be reached"),
        ("dc1-w-1", "/var/lib/kubelet has 0.0 GiB free"),
        ("dc1-w-1", "is also that of dc1-spare-1"),
        ("dc1-spare-1", "is also that of dc1-w-1"),
        ("dc1-cp-1", f"the apt repository lacks containerd.io {MISSING}"),
        ("dc1-w-1", f"the apt repository lacks containerd.io {MISSING}"),
    ],
)
def test_a_problem_is_named_with_its_server(report: dict[str, Any], server: str, words: str) -> None:
    said = {step["server"]: step["failed"] for step in report["steps"]}
    assert words in said[server]


def test_a_silent_server_is_named(report: dict[str, Any]) -> None:
    assert "bring its minion back" in report["blocked"][SILENT]


def test_nothing_else_was_tried_and_nothing_touched(
    spoiled: Lab, before: dict[str, str], report: dict[str, Any]
) -> None:
    assert report["retcode"] == 1
    assert {step["verb"] for step in report["steps"]} == {"preflight"}
    assert files(spoiled) == before


@pytest.mark.usefixtures("report")
def test_what_only_an_api_server_finds_stops_the_init_and_says_so(spoiled: Lab, layout: Path) -> None:
    change_spec(layout, OTHER, "kubeadm.init.timeouts", {"controlPlaneComponentHealthCheck": "20s"})
    change_spec(
        layout, OTHER, "kubeadm.cluster.apiServer.extraArgs", [{"name": "no-such-flag", "value": "1"}]
    )
    report = spoiled.run("k8s.provision", OTHER, check=False)
    failed = [step for step in report["steps"] if step.get("failed")]
    assert [(step["verb"], step["server"]) for step in failed] == [("init", "dc2-cp-1")]
    assert "unknown flag: --no-such-flag" in failed[0]["failed"]


@pytest.mark.usefixtures("report")
def test_corrected_in_the_spec_it_is_corrected_on_the_server(spoiled: Lab, layout: Path) -> None:
    """All that was made before follows the spec, which is another one by now; the CA stays."""
    authority = spoiled("exec", "dc2-cp-1", "--", "md5sum", "/etc/kubernetes/pki/ca.crt").stdout
    change_spec(layout, OTHER, "kubeadm.init", {})
    change_spec(layout, OTHER, "kubeadm.cluster.apiServer.extraArgs", [])
    change_spec(layout, OTHER, "kubeadm.cluster.apiServer.certSANs", ["k8s.dc2.example"])
    spoiled.run("k8s.provision", OTHER)
    assert all(is_ready(node) for node in spoiled.nodes("dc2-cp-1").values())
    told = spoiled.run("k8s.plan", OTHER)
    assert (told["retcode"], told["waves"]) == (0, [])
    serving = "openssl x509 -noout -ext subjectAltName -in /etc/kubernetes/pki/apiserver.crt"
    assert "DNS:k8s.dc2.example" in spoiled("exec", "dc2-cp-1", "--", "sh", "-c", serving).stdout
    assert spoiled("exec", "dc2-cp-1", "--", "md5sum", "/etc/kubernetes/pki/ca.crt").stdout == authority


def test_a_person_sees_all_of_it(spoiled: Lab, report: dict[str, Any]) -> None:
    done = spoiled("salt-run", "k8s.provision", CLUSTER, check=False)
    for words in ("port 6443", "swap is on", "behind the master's", "cannot be reached", SILENT):
        assert words in done.stdout
