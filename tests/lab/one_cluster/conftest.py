"""The life of one cluster, in the order of the files: cut off ten times, looked at, left alone, asked, hurt.

Each file can also be run by itself: what is not provisioned then is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_session import Lab, own_cluster
from witness import Witness, witness_of


@pytest.fixture(scope="package")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with a pillar that the tests may change."""
    return own_cluster(tmp_path_factory.mktemp("one_cluster"))


@pytest.fixture(scope="package")
def demo(built: Lab, own: Path) -> Iterator[Lab]:
    """Bare servers; nothing is left of them afterwards."""
    with built.up(own):
        yield built


witness = witness_of("demo")


@pytest.fixture(scope="package")
def provisioned(demo: Lab, witness: Witness) -> dict[str, Any]:
    """The report of a provision of dc1-prod, whatever was there before."""
    return demo.run("k8s.provision", "dc1-prod")
