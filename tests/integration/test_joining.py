"""New servers ask by their own highstate: through event, reactor, spool and engine of a real master."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ask, StartMinion
from saltfactories.daemons.master import SaltMaster
from saltfactories.daemons.minion import SaltMinion

ROLE = {"datacenter": "dc1", "k8s_role": "worker"}


@pytest.fixture(scope="module")
def newcomer(start_minion: StartMinion) -> SaltMinion:
    """A server that was just installed: nothing was ever synchronised, highstate runs when it starts."""
    return start_minion("dc1-w-2", grains=ROLE, startup_states="highstate")


@pytest.fixture(scope="module")
def stranger(start_minion: StartMinion) -> SaltMinion:
    return start_minion("db-1", grains=ROLE)


@pytest.fixture(scope="module")
def pretender(start_minion: StartMinion) -> SaltMinion:
    return start_minion("dc1-w-3", grains={**ROLE, "k8s_role": "control-plane"})


@pytest.fixture(scope="module")
def elsewhere(start_minion: StartMinion) -> SaltMinion:
    return start_minion("dc1-w-4", grains={**ROLE, "datacenter": "dc2"})


def wait_for(what: str, get: Callable[[], Any], seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := get():
            return found
        time.sleep(1)
    pytest.fail(f"not within {seconds} s: {what}")


def joined(ask: Ask, minion: SaltMinion, **arguments: Any) -> dict[str, Any]:
    """The result of the state `k8s-joined` in a highstate."""
    states = ask(minion, "state.highstate", queue=True, **arguments)
    assert isinstance(states, dict), states
    return next(state for state in states.values() if state["__id__"] == "k8s-joined")


def asks_file(minion: SaltMinion) -> Path:
    return Path(minion.config["root_dir"], "var/lib/k8s-lifecycle/join-asked.json")


def schedule_of(ask: Ask, minion: SaltMinion) -> Any:
    return ask(minion, "schedule.list", return_yaml=False)


def test_a_new_server_asks_when_it_starts_and_is_told_how_it_went(ask: Ask, newcomer: SaltMinion) -> None:
    wait_for("its ask", asks_file(newcomer).exists)

    def failed() -> Any:
        answer = ask(newcomer, "k8s_node.standing")["answer"]
        return answer if answer and answer["outcome"] == "failed" else None

    answer = wait_for("the end of the run that joins it", failed)
    assert "dc1-cp-1 did not answer" in answer["reason"]


def test_its_next_highstate_says_that_the_join_follows_and_how_the_last_one_failed(
    ask: Ask, newcomer: SaltMinion
) -> None:
    state = joined(ask, newcomer)
    assert state["result"] is True
    assert state["comment"].startswith(
        "The join follows: pool general of dc1-prod allows it; the last attempt"
    )
    assert "dc1-cp-1 did not answer" in state["comment"]


def test_it_asks_on_by_a_schedule_that_survives_a_restart(ask: Ask, newcomer: SaltMinion) -> None:
    scheduled = schedule_of(ask, newcomer)["k8s_join"]
    kept = Path(newcomer.config["conf_file"]).parent / "minion.d/_schedule.conf"
    assert (scheduled["function"], scheduled["seconds"], scheduled["splay"]) == ("cmd.run", 60, 30)
    assert scheduled["args"][0].endswith(" k8s_node.ask")
    assert "k8s_join" in kept.read_text()


def test_the_schedule_ends_when_it_is_told_that_it_has_joined(ask: Ask, newcomer: SaltMinion) -> None:
    ask(newcomer, "k8s_node.tell", "joined", "")
    assert "k8s_join" not in schedule_of(ask, newcomer)
    assert not asks_file(newcomer).exists()


def test_a_forged_event_joins_nobody(ask: Ask, master: SaltMaster, newcomer: SaltMinion) -> None:
    assert master.salt_run_cli().run("k8s.ask_join", newcomer.id).data is True
    log = Path(master.config["log_file"])
    wait_for("the engine's look", lambda: f"{newcomer.id} does not ask to join" in log.read_text(), 30)


@pytest.mark.parametrize("name", ["../minion", "a/b", 7])
def test_an_event_with_no_minion_id_is_dropped(master: SaltMaster, name: object) -> None:
    assert master.salt_run_cli().run("k8s.ask_join", f"server={name!r}").data is False


def test_a_server_that_no_pool_allows_is_refused(ask: Ask, master: SaltMaster, stranger: SaltMinion) -> None:
    state = joined(ask, stranger)
    assert state["result"] is False
    assert "no pool of any cluster allows the id db-1" in state["comment"]
    assert "db-1 asks to join, and is refused: no pool" in Path(master.config["log_file"]).read_text()


def test_it_asks_again_by_itself(ask: Ask, stranger: SaltMinion) -> None:
    assert "k8s_join" in schedule_of(ask, stranger)


def test_a_grain_makes_no_control_plane(ask: Ask, master: SaltMaster, pretender: SaltMinion) -> None:
    state = joined(ask, pretender)
    assert state["result"] is False
    assert "its grain k8s_role claims control-plane" in state["comment"]
    assert "dc1-w-3 asks to join, and is refused: its grain" in Path(master.config["log_file"]).read_text()


def test_grains_can_take_a_server_out_of_a_pool(ask: Ask, elsewhere: SaltMinion) -> None:
    state = joined(ask, elsewhere)
    assert state["result"] is False
    assert "allows its id, but not its grains: datacenter is dc2 and not dc1" in state["comment"]


def test_in_test_mode_nothing_is_asked(ask: Ask, worker: SaltMinion) -> None:
    state = joined(ask, worker, test=True)
    assert (state["result"], bool(state["changes"])) == (None, True)
    assert not asks_file(worker).exists()
