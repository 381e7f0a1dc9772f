"""The reference page is what the table of settings says."""

from pathlib import Path

from k8s_lifecycle.model import reference

PAGE = Path(__file__).parents[3] / "docs" / "spec-reference.md"


def test_the_committed_page_is_current():
    assert PAGE.read_text() == reference.page(), "run `make docs`"


def test_every_key_is_documented_with_its_default():
    page = reference.page()
    assert "| `datacenter` | a short name | **required** |" in page
    assert "| `networks.pods` | an IPv4 network | `10.244.0.0/16` |" in page
    assert (
        "| `pools.NAME.taints[].effect` | one of NoSchedule, PreferNoSchedule, NoExecute | **required** |"
        in page
    )
