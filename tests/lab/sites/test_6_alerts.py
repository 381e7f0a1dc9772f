"""What goes wrong is told to people by the right alert, and by no other."""

from __future__ import annotations

import json
import time

import pytest
from asking import ENOUGH, LIAR, NODE, OUTSIDE, PROMETHEUS, SERVERS, query
from lab_session import Lab, wait_until

# The committed rules wait for minutes, Alertmanager for half a one; here it is seconds. But for those about
# monitoring itself: they look at the last five minutes, in which it began.
IMPATIENT = """
cd /etc/prometheus/k8s/rules
sed -Ei 's/^( *for: [0-9]+)m$/\\1s/; s/^( *for:) [0-9]+h$/\\1 20s/' $(ls | grep -v monitoring)
sed -Ei 's/^( *group_(wait|interval):) .*/\\1 5s/' /etc/prometheus/k8s/alertmanager.yml
systemctl reload prometheus prometheus-alertmanager
"""
SOON = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=soon -days 3 \\
    -keyout /dev/null -out /etc/consul.d/tls/soon.pem
"""
# A disk of its own: what servers of the lab have is the machine's.
FULL = """
truncate --size 16M /var/disk
mkfs.ext4 -q /var/disk
mknod /dev/loop-control c 10 237
for number in $(seq 0 15); do mknod /dev/loop$number b 7 $number; done
mkdir /srv/small
mount -o loop /var/disk /srv/small
dd if=/dev/zero of=/srv/small/full bs=1M count=16 || true
"""
FAULTS = {
    ("ExporterDown", OUTSIDE): "systemctl stop prometheus-node-exporter",
    ("KubeletUnhealthy", NODE): "systemctl stop kubelet",
    ("CertificateFileExpiring", "dc1-cp-1"): SOON,
    ("DiskFull", PROMETHEUS["dc1"]): FULL,
}
MENDED = {
    OUTSIDE: "systemctl start prometheus-node-exporter",
    NODE: "systemctl start kubelet",
    "dc1-cp-1": "rm /etc/consul.d/tls/soon.pem",
    PROMETHEUS["dc1"]: "umount /srv/small; rm -r /srv/small /var/disk",
}

Alert = tuple[str, str]


@pytest.fixture(scope="module")
def impatient(sites: Lab, services: None) -> None:
    """Rules that do not wait for minutes."""
    for server in PROMETHEUS.values():
        sites("exec", server, "--", "sh", "-euc", IMPATIENT)


def told(lab: Lab) -> set[Alert]:
    """Return what people were told and not told to be over: alerts with their servers."""
    found: dict[Alert, str] = {}
    for server in PROMETHEUS.values():
        for line in lab("exec", server, "--", "cat", "/run/told", check=False).stdout.splitlines():
            status, labels = json.loads(line)
            found[labels["alertname"], labels.get("instance", "")] = status
    return {alert for alert, status in found.items() if status == "firing"}


def fires(lab: Lab, alert: str) -> bool:
    """Whether a Prometheus says that an alert fires, told or not."""
    expression = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
    return any(query(lab, datacenter, expression) for datacenter in PROMETHEUS)


def test_at_first_nothing_is_told_but_what_is_so(sites: Lab, impatient: None) -> None:
    """One server asks to be what its id does not let it be; nothing keeps the clock that all share."""
    wait_until("the watchdog", lambda: fires(sites, "Watchdog"), ENOUGH)
    so = {("HighstateFailed", LIAR), *(("ClockNotSynchronised", server) for server in SERVERS)}
    wait_until("nothing but what is so", lambda: told(sites) == so, ENOUGH)


def test_each_fault_is_told_by_its_alert_and_by_no_other(sites: Lab, impatient: None) -> None:
    before = told(sites)
    for (_, server), fault in FAULTS.items():
        sites("exec", server, "--", "sh", "-euc", fault)
    for server in (NODE, "dc1-cp-1"):
        sites("exec", server, "--", "systemctl", "start", "k8s-textfile")
    wait_until("each alert", lambda: FAULTS.keys() <= told(sites), ENOUGH)
    # What follows from a kubelet that does not run fires, too, and is not told.
    wait_until("the node not to be Ready", lambda: fires(sites, "NodeNotReady"), ENOUGH)
    time.sleep(20)
    assert told(sites) - before == FAULTS.keys()


def test_what_is_mended_is_over(sites: Lab, impatient: None) -> None:
    for server, mend in MENDED.items():
        sites("exec", server, "--", "sh", "-euc", mend)
    for alert, _ in FAULTS:
        wait_until(f"{alert} to be over", lambda alert=alert: not fires(sites, alert), ENOUGH)
