"""What on-call does to one running cluster: drains, certificates, the guides' commands, lost servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from lab_session import ROOT, Lab, own_layout, without_datacenters


@pytest.fixture(scope="package")
def demo(built: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The first datacenter of the demo, of bare servers; nothing is left of them afterwards."""
    servers = yaml.safe_load((ROOT / "lab/layouts/demo.yaml").read_text())["servers"]
    own = {name: server for name, server in servers.items() if server["datacenter"] == "dc1"}
    directory = tmp_path_factory.mktemp("operations")
    with built.named("operations").up(without_datacenters(own_layout("demo", directory, servers=own))) as lab:
        yield lab


@pytest.fixture(scope="package")
def provisioned(demo: Lab) -> dict[str, Any]:
    """The report of a provision of dc1-prod, whatever was there before."""
    return demo.run("k8s.provision", "dc1-prod")
