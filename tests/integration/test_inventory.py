"""The inventory through a real master: its keys, its cache, its bus, and what salt-run prints."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Ask, StartMinion
from saltfactories.daemons.master import SaltMaster
from saltfactories.daemons.minion import SaltMinion

SALT_RUN = Path(sys.executable).with_name("salt-run")
DATACENTER = """
servers: ["web-*", db-1]
consul: {package: {version: 1.22.1-1}, servers: {web-1: 10.12.0.7}}
"""


@pytest.fixture(scope="module")
def web(start_minion: StartMinion, ask: Ask) -> SaltMinion:
    """A server that no spec names, with our modules and a highstate behind it."""
    minion = start_minion("web-1", grains={"datacenter": "dc1", "environment": "prod"})
    ask(minion, "saltutil.sync_all")
    states = ask(minion, "state.highstate")
    assert all(state["result"] for state in states.values()), states
    return minion


@pytest.fixture
def config(master: SaltMaster, web: SaltMinion) -> Path:
    """The configuration of a master that knows this server."""
    return Path(master.config_file).parent


def run(configuration: Path, *words: str) -> tuple[int, str]:
    command = [SALT_RUN, f"--config-dir={configuration}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    return done.returncode, done.stdout


def servers(configuration: Path, *words: str) -> dict[str, Any]:
    code, text = run(configuration, "k8s.inventory", *words, "--out=json")
    found = json.loads(text)
    assert "servers" in found, found
    assert code == found["retcode"]
    return {row["server"]: row for row in found["servers"]}


def test_servers_of_the_spec_and_others_are_there(config: Path) -> None:
    found = servers(config)
    row = found["web-1"]
    assert (row["state"], row["datacenter"], row["cluster"]) == ("answers", "dc1", "")
    assert row["cores"] == os.cpu_count()
    assert row["highstate"] == "ok"
    assert row["highstate_hours"] < 1
    assert row["kernel"] == os.uname().release
    assert [one["kind"] for one in row["drift"] if one["kind"] != "twin"] == []
    missing = found["dc1-cp-1"]
    assert (missing["state"], missing["drift"][0]["kind"]) == ("no key", "no key")


def test_a_silent_server_is_shown_as_the_master_remembers_it(config: Path, web: SaltMinion) -> None:
    os.kill(web.pid, signal.SIGSTOP)
    try:
        row = servers(config, "role=none")["web-1"]
    finally:
        os.kill(web.pid, signal.SIGCONT)
    assert (row["state"], row["remembered"]) == ("silent", True)
    assert row["seen"].replace("T", " ").removesuffix("Z") in row["drift"][0]["what"]
    assert row["kernel"] == os.uname().release
    assert row["drift"][0]["kind"] == "silent"


def test_a_spreadsheet_and_a_page(config: Path, tmp_path: Path) -> None:
    _, text = run(config, "k8s.inventory", "--out=csv")
    rows = {row["server"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["web-1"]["cores"] == str(os.cpu_count())
    code, text = run(config, "k8s.report", str(tmp_path / "page.html"))
    assert code == 0, text
    assert "web-1" in (tmp_path / "page.html").read_text()


def test_a_datacenters_file_says_where_a_server_is_and_what_it_should_have(
    config: Path, tmp_path: Path
) -> None:
    """Only this inventory reads that file: with its pillar a highstate would change the machine."""
    (tmp_path / "datacenters").mkdir()
    (tmp_path / "datacenters/dc2.yaml").write_text(DATACENTER)
    configuration = yaml.safe_load((config / "master").read_text())
    configuration["ext_pillar"].append({"k8s_datacenters": str(tmp_path / "datacenters")})
    (tmp_path / "master").write_text(yaml.safe_dump(configuration))
    found = servers(tmp_path, "datacenter=dc2")
    assert set(found) == {"web-1", "db-1"}
    told = {(server, one["kind"]) for server, row in found.items() for one in row["drift"]}
    wanted = {("web-1", "grain"), ("web-1", "agent"), ("web-1", "consul"), ("db-1", "no key")}
    assert told - {("web-1", "twin")} == wanted
    assert "web-1" not in servers(tmp_path, "datacenter=dc1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("k8s.inventory", "cluster=dc1-prd"), "did you mean 'dc1-prod'?"),
        (("k8s.inventory", "role=master"), "there is no such role"),
        (("k8s.inventory", "datacenter=dc9"), "none matches"),
        (("k8s.report", "/no/such/directory/page.html"), "/no/such/directory"),
    ],
)
def test_a_refusal_says_why(config: Path, words: tuple[str, ...], said: str) -> None:
    code, text = run(config, *words)
    assert code == 2
    assert said in text
