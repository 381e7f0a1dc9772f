"""Salt loads everything from a checkout that the master's configuration names, and minions get it by sync."""

from __future__ import annotations

import ast
from pathlib import Path

import psutil
import pytest
from conftest import Ask
from saltfactories.daemons.master import SaltMaster
from saltfactories.daemons.minion import SaltMinion

from k8s_lifecycle import code

CHECKOUT = Path(__file__).parents[2]


def public_functions(kind: str) -> set[str]:
    """What our modules of a kind define for others, as Salt names it."""
    return {
        f"{path.stem}.{node.name}"
        for path in (CHECKOUT / kind).glob("k8s*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


@pytest.fixture(scope="module")
def synced(ask: Ask, worker: SaltMinion) -> Path:
    """Where a minion keeps what it gets by `saltutil.sync_all`."""
    ask(worker, "saltutil.sync_all")
    return Path(worker.config["extension_modules"])


def test_jobs_begin_with_the_client_imported(ask: Ask, worker: SaltMinion, synced: Path) -> None:
    """The part of it that is compiled is mapped into the main process of the minion that forks for them."""
    processes = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    assert any("pydantic_core" in map.path for one in processes for map in one.memory_maps())


def test_the_package_comes_to_the_minion(synced: Path) -> None:
    package = CHECKOUT / "_utils/k8s_lifecycle"
    here = {path.relative_to(package) for path in package.glob("**/*.py")}
    there = {path.relative_to(synced / "utils/k8s_lifecycle") for path in synced.glob("utils/**/*.py")}
    assert there == here


def test_every_function_is_documented_with_an_example(ask: Ask, worker: SaltMinion, synced: Path) -> None:
    shown = ask(worker, "sys.doc", "k8s_*")
    ours = public_functions("_modules")
    assert set(shown) >= ours
    assert [name for name in ours if "CLI Example" not in (shown[name] or "")] == []


def test_every_state_is_loaded(ask: Ask, worker: SaltMinion, synced: Path) -> None:
    shown = ask(worker, "sys.list_state_functions", "k8s_*")
    assert set(shown) >= public_functions("_states")


def test_every_command_is_documented_with_an_example(master: SaltMaster) -> None:
    shown = master.salt_run_cli().run("doc.runner").data
    ours = public_functions("_runners")
    assert ours >= {"k8s.provision", "k8s.join"}
    assert [name for name in ours if "salt-run k8s." not in shown.get(name, "")] == []


def test_commands_report_as_data_with_their_exit_code(master: SaltMaster) -> None:
    good = master.salt_run_cli().run("k8s.validate")
    wrong = master.salt_run_cli().run("k8s.plan", "dc9-prod")
    assert (good.returncode, good.data["clusters"]) == (0, ["dc1-prod"])
    assert wrong.returncode == 2
    assert "there is no dc9-prod.yaml" in wrong.data["error"]


def test_commands_narrow_by_datacenter_and_environment(master: SaltMaster) -> None:
    nowhere = master.salt_run_cli().run("k8s.plan", "datacenter=dc7")
    everywhere = master.salt_run_cli().run("k8s.provision")
    assert (nowhere.returncode, everywhere.returncode) == (2, 2)
    assert "no cluster matches" in nowhere.data["error"]
    assert "none was named" in everywhere.data["error"]


def test_the_pillar_is_given_by_minion_id(ask: Ask, worker: SaltMinion) -> None:
    ask(worker, "saltutil.refresh_pillar", wait=True)
    place = ask(worker, "pillar.raw", "k8s")
    assert (place["cluster"], place["role"], place["pool"]) == ("dc1-prod", "worker", "general")
    assert place["spec"]["kubernetes"]["version"] == "1.37.2"


def test_a_minion_says_what_it_is(ask: Ask, worker: SaltMinion, synced: Path) -> None:
    facts = ask(worker, "k8s_server.facts")
    assert facts["id"] == "dc1-w-1"
    assert facts["grains"]["datacenter"] == "dc1"
    assert facts["api"] is None


def test_a_minions_code_is_the_masters(ask: Ask, worker: SaltMinion, synced: Path) -> None:
    facts = ask(worker, "k8s_server.facts")
    assert facts["code"] == code.fingerprint(CHECKOUT / "_utils")
