"""The API answers on the virtual address, also when the server that holds it loses its power."""

from __future__ import annotations

from typing import Any

from lab_session import Lab, wait_until

CONTROL_PLANES = ["dc1-cp-1", "dc1-cp-2", "dc1-cp-3"]
# A worker has no curl; the Python that Salt brings asks as well.
ASK = """
import ssl, urllib.request
urllib.request.urlopen(
    "https://api.dc1-prod.lab:8443/readyz", timeout=2, context=ssl._create_unverified_context()
)
"""


def answers(lab: Lab, server: str) -> bool:
    return (
        lab("exec", server, "--", "/opt/saltstack/salt/bin/python3", "-c", ASK, check=False).returncode == 0
    )


def holders(lab: Lab) -> list[str]:
    """Who carries the virtual address: nobody for a moment while it moves."""
    own = ("ip", "-4", "addr")
    return [one for one in CONTROL_PLANES if "10.11.0.100/" in lab("exec", one, "--", *own).stdout]


def test_the_virtual_address_leaves_a_server_whose_haproxy_ended(
    demo: Lab, provisioned: dict[str, Any]
) -> None:
    (holder,) = holders(demo)
    with demo.by_hand(holder, "systemctl stop haproxy", "systemctl start haproxy"):
        wait_until("another one to carry it", lambda: holders(demo) not in ([holder], []), 15)
        wait_until("the API to answer there", lambda: answers(demo, "dc1-w-1"), 15)


def test_the_virtual_address_survives_its_holders_power_cut(demo: Lab, provisioned: dict[str, Any]) -> None:
    assert answers(demo, "dc1-w-1")
    (holder,) = holders(demo)
    demo("kill", holder)
    wait_until("the API answers on the virtual address", lambda: answers(demo, "dc1-w-1"), 15, every=0.2)
    demo("start", holder)
    wait_until(
        "the cluster is healthy again",
        lambda: demo.run("k8s.status", "dc1-prod", check=False)["retcode"] == 0,
        180,
        every=3,
    )
    restarts = ("systemctl", "show", "kubelet", "--property=NRestarts", "--value")
    assert demo("exec", holder, "--", *restarts).stdout.strip() == "0"
