"""Salt's configuration follows the layout."""

from pathlib import Path

from datacenter import layout, salt_config
from test_datacenter_layout import MINIMAL, with_server

WORKER = with_server("dc1-w-1", environment="prod", role="worker", pool="general")


def test_grains_say_what_the_layout_says_and_no_more() -> None:
    found = layout.parse(WORKER, Path("lab.yaml"))
    worker = salt_config.minion_config(found, found.servers["dc1-w-1"])
    assert worker["grains"] == {
        "datacenter": "dc1",
        "environment": "prod",
        "k8s_role": "worker",
        "k8s_pool": "general",
    }
    bare = salt_config.minion_config(found, found.servers["dc1-cp-1"])
    assert bare["grains"] == {"datacenter": "dc1"}


def test_layout_adds_to_the_configurations(tmp_path: Path) -> None:
    (tmp_path / "master.yaml").write_text("timeout: 30\n")
    (tmp_path / "minion.yaml").write_text("grains: {}\n")
    document = {
        **MINIMAL,
        "master_config": "master.yaml",
        "minion_config": "minion.yaml",
        "log_level_logfile": "info",
    }
    found = layout.parse(document, tmp_path / "lab.yaml")
    master = salt_config.master_config(found)
    minion = salt_config.minion_config(found, found.servers["dc1-cp-1"])
    assert (master["timeout"], master["module_dirs"]) == (30, ["/srv/k8s-lifecycle"])
    assert (minion["grains"], minion["log_level_logfile"]) == ({}, "info")
