"""The fleet on a real bus: what it answers for servers that work, fail, are silent, or lose the job."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
import salt.config
from conftest import Ask, StartMinion
from saltfactories.daemons.master import SaltMaster
from saltfactories.daemons.minion import SaltMinion

from k8s_lifecycle.action.fleet import Answer, Call, Outcome
from k8s_lifecycle.action.salt_fleet import SaltFleet

DEADLINE = 120


class HastyFleet(SaltFleet):
    """Gives silent servers up sooner than an operator would want it."""

    ASK_AFTER = 1.0
    ASK_EVERY = 2.0
    SILENCE = 20.0


@pytest.fixture(scope="module")
def other(start_minion: StartMinion, ask: Ask) -> SaltMinion:
    """A second minion, which is stopped and killed."""
    minion = start_minion("fleet-2")
    ask(minion, "saltutil.sync_all")
    return minion


@pytest.fixture
def fleet(master: SaltMaster) -> Iterator[HastyFleet]:
    with HastyFleet(salt.config.master_config(master.config_file)) as found:
        yield found


def answers(fleet: SaltFleet, count: int) -> dict[str, Answer]:
    found = {}
    for _ in range(count):
        arrived = fleet.next(fleet.now() + DEADLINE)
        assert arrived, "no answer at all"
        found[arrived[1].server] = arrived[1]
    return found


def answer(fleet: SaltFleet, call: Call) -> Answer:
    fleet.start([call])
    return answers(fleet, 1)[call.server]


def test_it_knows_the_servers_with_accepted_keys(
    fleet: HastyFleet, worker: SaltMinion, other: SaltMinion
) -> None:
    assert {worker.id, other.id} <= fleet.known()


def test_equal_calls_are_one_job_and_each_server_answers(
    fleet: HastyFleet, worker: SaltMinion, other: SaltMinion
) -> None:
    fleet.start([Call(name, "test.arg", {"a": {"b": 1}}, 30) for name in (worker.id, other.id)])
    assert len({jid for jid, _ in fleet._pending}) == 1
    found = answers(fleet, 2)
    assert {name: one.value["kwargs"]["a"] for name, one in found.items()} == {
        worker.id: {"b": 1},
        other.id: {"b": 1},
    }


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        ("test.exception", {"message": "it broke"}, "it broke"),
        ("no_such.function", {}, "'no_such.function' is not available"),
        ("k8s_node.tell", {"outcome": "maybe", "reason": ""}, "outcome 'maybe' is none of"),
        ("state.single", {"fun": "test.fail_without_changes", "name": "x"}, "x: Failure!"),
    ],
)
def test_a_failure_is_an_answer_with_the_reason(
    fleet: HastyFleet, other: SaltMinion, function: str, arguments: dict[str, str], said: str
) -> None:
    found = answer(fleet, Call(other.id, function, arguments, 60))
    assert found.outcome is Outcome.FAILED
    assert said in found.error
    assert "Traceback" not in found.error


def test_a_server_that_nobody_knows_is_missing(fleet: HastyFleet) -> None:
    found = answer(fleet, Call("nobody", "test.ping", {}, 60))
    assert found.outcome is Outcome.MISSING


def test_a_silent_server_is_missing_and_others_are_not(
    fleet: HastyFleet, worker: SaltMinion, other: SaltMinion
) -> None:
    os.kill(other.pid, signal.SIGSTOP)
    try:
        fleet.start([Call(name, "test.sleep", {"length": 5}, 90) for name in (worker.id, other.id)])
        found = answers(fleet, 2)
        fleet.start([Call(other.id, "test.ping", {}, 90)])
        again = answers(fleet, 1)[other.id]
    finally:
        _wake(fleet, other)
    assert found[worker.id].ok
    assert found[other.id].outcome is Outcome.MISSING
    assert "has not answered for 20 s" in found[other.id].error
    assert "has not answered for 10 s" in again.error


def test_a_job_whose_process_was_killed_is_missing(fleet: HastyFleet, ask: Ask, other: SaltMinion) -> None:
    fleet.start([Call(other.id, "test.sleep", {"length": 300}, 300)])
    ((jid, _),) = fleet._pending
    os.kill(_pid(ask, other, jid), signal.SIGKILL)
    found = answers(fleet, 1)[other.id]
    assert found.outcome is Outcome.MISSING
    assert "no longer runs the job" in found.error


def test_an_answer_that_the_listener_lost_is_found_in_the_job_cache(
    fleet: HastyFleet, worker: SaltMinion
) -> None:
    assert _lost(fleet, Call(worker.id, "test.echo", {"text": "heard"}, 10)) == "heard"
    found = answers(fleet, 1)[worker.id]
    assert (found.outcome, found.value) == (Outcome.OK, "heard")


def test_a_failure_that_the_listener_lost_is_a_failure_in_the_job_cache(
    fleet: HastyFleet, worker: SaltMinion
) -> None:
    assert "it broke" in _lost(fleet, Call(worker.id, "test.exception", {"message": "it broke"}, 10))
    found = answers(fleet, 1)[worker.id]
    assert found.outcome is Outcome.FAILED
    assert "it broke" in found.error


def _lost(fleet: HastyFleet, call: Call) -> str:
    """Start a call, and take its answer off the bus before the fleet hears it."""
    fleet.start([call])
    ((jid, _),) = fleet._pending
    lost = fleet._client.event.get_event(wait=DEADLINE, tag=f"salt/job/{jid}/ret", match_type="startswith")
    return str(lost["return"])


def _wake(fleet: HastyFleet, minion: SaltMinion) -> None:
    """Let a stopped minion go on. What is published before it has connected again never reaches it."""
    os.kill(minion.pid, signal.SIGCONT)
    deadline = time.monotonic() + DEADLINE
    while not answer(fleet, Call(minion.id, "test.ping", {}, 30)).ok:
        assert time.monotonic() < deadline, f"{minion.id} was woken and does not answer"


def _pid(ask: Ask, minion: SaltMinion, jid: str) -> int:
    """Wait until a job runs, and return its process."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        running = ask(minion, "saltutil.find_job", jid)
        if running:
            return int(running["pid"])
        time.sleep(0.2)
    raise AssertionError(f"{jid} never began")
