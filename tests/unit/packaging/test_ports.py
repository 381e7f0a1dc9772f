"""The table of ports has every port that what is laid out here listens on for others."""

import re
from pathlib import Path

from k8s_lifecycle.model.cluster_metrics import PROXIED
from k8s_lifecycle.model.consul import EXPORTERS
from k8s_lifecycle.model.datacenter import Datacenter
from k8s_lifecycle.model.prometheus import GOSSIP_PORT
from k8s_lifecycle.model.schema import rows
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server.preflight import CONTROL_PLANE_PORTS, KUBELET_PORTS

PAGE = Path(__file__).parents[3] / "docs/requirements.md"


def test_each_port_is_in_the_table():
    _, _, table = PAGE.read_text().partition("## Ports")
    told = {int(number) for number in re.findall(r"\d{4,5}", table)}
    settings = {
        row.default for cls in (Spec, Datacenter) for row in rows(cls) if re.search(r"port$", row.path)
    }
    on_loopback = {int(address.rpartition(":")[2]) for address in PROXIED.values()}
    exporters = {port for _, port in EXPORTERS.values()}
    used = {*settings, *exporters, GOSSIP_PORT, *KUBELET_PORTS, *CONTROL_PLANE_PORTS} - {None} - on_loopback
    assert len(used) > 10
    assert used - told == set()
