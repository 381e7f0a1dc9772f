"""The operations on one cluster, in the order of the files, each on what the one before left.

Each file can also be run by itself: what is not provisioned then is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lab_session import Lab, own_cluster


@pytest.fixture(scope="package")
def demo(built: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bare servers; nothing is left of them afterwards."""
    with built.named("operations").up(own_cluster(tmp_path_factory.mktemp("operations"))) as lab:
        yield lab


@pytest.fixture(scope="package")
def provisioned(demo: Lab) -> dict[str, Any]:
    """The report of a provision of dc1-prod, whatever was there before."""
    return demo.run("k8s.provision", "dc1-prod")
