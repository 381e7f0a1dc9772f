"""One provisioned cluster, on which all tests here look; nothing is left of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_session import Lab, own_layout


@pytest.fixture(scope="package")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's layout with a pillar that the tests may change."""
    return own_layout("demo", tmp_path_factory.mktemp("provision"))


@pytest.fixture(scope="package")
def demo(built: Lab, own: Path) -> Iterator[Lab]:
    """Two datacenters of bare servers; nothing is left of them afterwards."""
    built("down")
    try:
        built("up", str(own))
        yield built
    finally:
        built("down")


@pytest.fixture(scope="package")
def planned(demo: Lab) -> dict[str, Any]:
    """The plan on bare servers."""
    return demo.run("k8s.plan", "dc1-prod", check=False)


@pytest.fixture(scope="package")
def provisioned(demo: Lab, planned: dict[str, Any]) -> dict[str, Any]:
    """The report of the provision that follows that plan."""
    return demo.run("k8s.provision", "dc1-prod")
