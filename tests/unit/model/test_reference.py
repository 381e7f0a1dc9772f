"""The reference pages are what the tables of settings say."""

from pathlib import Path

import pytest

from k8s_lifecycle.model import datacenter_reference, reference

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("name", "page"), [("spec", reference.page), ("datacenter", datacenter_reference.page)]
)
def test_the_committed_page_is_current(name, page):
    assert (DOCS / f"{name}-reference.md").read_text() == page(), "run `make docs`"


def test_every_key_is_documented_with_its_default():
    page = reference.page()
    assert "| `datacenter` | a short name | **required** |" in page
    assert "| `networks.pods` | an IPv4 network | `10.244.0.0/16` |" in page
    assert (
        "| `pools.NAME.taints[].effect` | one of NoSchedule, PreferNoSchedule, NoExecute | **required** |"
        in page
    )


def test_what_may_be_left_out_is_told_so():
    page, datacenter = reference.page(), datacenter_reference.page()
    assert "|  |" not in page + datacenter
    assert "| `control_plane.endpoint.address` | an IPv4 address | **required** if managed |" in page
    assert "| `pools.NAME.taints` | a list of taints | optional |" in page
    assert "The servers with the API and etcd. **Required.**" in page
    assert "The workers, in named groups that are alike. Optional." in page
    assert "| `monitoring.node_exporter` | a mapping | those of its keys |" in datacenter
    assert "What is measured on every server. Default: those of its keys." in datacenter
    assert "The datacenter's Consul. Default: none." in datacenter
