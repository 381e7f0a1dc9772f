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
from conftest import Ask, StartMinion
from saltfactories.daemons.master import SaltMaster
from saltfactories.daemons.minion import SaltMinion

SALT_RUN = Path(sys.executable).with_name("salt-run")


@pytest.fixture(scope="module")
def web(start_minion: StartMinion, ask: Ask) -> SaltMinion:
    """A server that no spec names, with our modules and a highstate behind it."""
    minion = start_minion("web-1", grains={"datacenter": "dc1", "environment": "prod"})
    ask(minion, "saltutil.sync_all")
    states = ask(minion, "state.highstate")
    assert all(state["result"] for state in states.values()), states
    return minion


def run(master: SaltMaster, *words: str) -> tuple[int, str]:
    command = [SALT_RUN, f"--config-dir={Path(master.config_file).parent}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    return done.returncode, done.stdout


def servers(master: SaltMaster, *words: str) -> dict[str, Any]:
    code, text = run(master, "k8s.inventory", *words, "--out=json")
    found = json.loads(text)
    assert "servers" in found, found
    assert code == found["retcode"]
    return {row["server"]: row for row in found["servers"]}


def test_servers_of_the_spec_and_others_are_there(master: SaltMaster, web: SaltMinion) -> None:
    found = servers(master)
    row = found["web-1"]
    assert (row["state"], row["datacenter"], row["cluster"]) == ("answers", "dc1", "")
    assert row["cores"] == os.cpu_count()
    assert row["highstate"] == "ok"
    assert row["highstate_hours"] < 1
    assert row["kernel"] == os.uname().release
    assert [one["kind"] for one in row["drift"] if one["kind"] != "twin"] == []
    missing = found["dc1-cp-1"]
    assert (missing["state"], missing["drift"][0]["kind"]) == ("no key", "no key")


def test_a_silent_server_is_shown_as_the_master_remembers_it(master: SaltMaster, web: SaltMinion) -> None:
    os.kill(web.pid, signal.SIGSTOP)
    try:
        row = servers(master, "role=none")["web-1"]
    finally:
        os.kill(web.pid, signal.SIGCONT)
    assert (row["state"], row["remembered"]) == ("silent", True)
    assert row["seen"].replace("T", " ").removesuffix("Z") in row["drift"][0]["what"]
    assert row["kernel"] == os.uname().release
    assert row["drift"][0]["kind"] == "silent"


def test_a_spreadsheet_and_a_page(master: SaltMaster, web: SaltMinion, tmp_path: Path) -> None:
    _, text = run(master, "k8s.inventory", "--out=csv")
    rows = {row["server"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["web-1"]["cores"] == str(os.cpu_count())
    code, text = run(master, "k8s.report", str(tmp_path / "page.html"))
    assert code == 0, text
    assert "web-1" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("k8s.inventory", "cluster=dc1-prd"), "did you mean 'dc1-prod'?"),
        (("k8s.inventory", "role=master"), "there is no such role"),
        (("k8s.inventory", "datacenter=dc9"), "none matches"),
        (("k8s.report", "/no/such/directory/page.html"), "/no/such/directory"),
    ],
)
def test_a_refusal_says_why(master: SaltMaster, web: SaltMinion, words: tuple[str, ...], said: str) -> None:
    code, text = run(master, *words)
    assert code == 2
    assert said in text
