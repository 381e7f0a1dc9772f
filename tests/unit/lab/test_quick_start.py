"""What the quick start has an operator write is what the lab's master runs with, and stands there only."""

import re
from pathlib import Path

import pytest
import yaml
from datacenter import layout, salt_config

from k8s_lifecycle.model import documents

CHECKOUT = Path(__file__).parents[3]
README = CHECKOUT / "README.md"
PAGES = [README, *sorted(CHECKOUT.glob("[dlp]*/**/*.md"))]
MASTER, TOP = "# /etc/salt/master.d/k8s.conf", "# top.sls"
# What the lab is not told by the quick start: who runs its master, where its secrets are, that it has no DNS.
OF_THE_LAB = {"user", "pillar_roots", "log_level_logfile", "enable_fqdns_grains"}
OF_THE_SITE = "/srv/salt"


def blocks(page):
    """The YAML in a page, as texts."""
    found = re.findall(r"^( *)```yaml\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.fixture
def read(tmp_path):
    """A function that returns what a text of YAML holds; keys that it has twice are a mistake."""

    def strictly(text):
        (tmp_path / "block.yaml").write_text(text)
        value, problems = documents.read_yaml(tmp_path / "block.yaml")
        assert problems == [], text
        return value

    return strictly


@pytest.fixture
def quick_start(read):
    """What an operator writes, by the comment in its first line."""
    return {text.partition("\n")[0]: read(text) for text in blocks(README)}


def test_the_masters_configuration_is_that_of_the_lab(quick_start):
    lab = salt_config.master_config(layout.load(CHECKOUT / "lab/layouts/demo.yaml"))
    site = quick_start[MASTER]
    site["file_roots"]["base"].remove(OF_THE_SITE)
    assert site == {key: value for key, value in lab.items() if key not in OF_THE_LAB}


def test_top_is_that_of_the_file_root(quick_start):
    assert quick_start[TOP] == yaml.safe_load((CHECKOUT / "states/top.sls").read_text())


def test_pages_with_yaml_are_found():
    assert {page.name for page in PAGES if blocks(page)} >= {"README.md", "monitoring.md", "discovery.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_no_other_block_has_a_part_of_them(read, quick_start, page):
    own = quick_start[MASTER].keys() | quick_start[TOP].keys()
    parts = [read(text) for text in blocks(page)]
    assert [part for part in parts if own & part.keys() and part not in quick_start.values()] == []
