"""Servers that are noted: who waits for whom, and what becomes of those that could not be served."""

import itertools

import pytest
from answering import Echo, call

from k8s_lifecycle.action import spool
from k8s_lifecycle.action.asks import Asks
from k8s_lifecycle.action.scheduler import Scheduler


@pytest.fixture
def fleet():
    return Echo()


@pytest.fixture
def asks(fleet, tmp_path):
    return Asks(tmp_path, fleet.now)


def test_who_asks_meanwhile_does_not_wait_for_a_silent_one(fleet, asks, tmp_path):
    served = []

    def batch(servers):
        if not fleet.clock:  # meanwhile another one asks, and the silent one again
            for server in ("late", "silent"):
                spool.put(tmp_path, server)
        for server in servers:
            yield call(45 if server == "silent" else 1, None)
            served.append((server, fleet.clock))
            asks.ended(server, "")

    spool.put(tmp_path, "silent")
    assert asks.begin()
    Scheduler(fleet).run(asks.serve(batch))
    assert served == [("late", 1.5), ("silent", 45), ("silent", 90)]
    assert not asks.begin()
    assert spool.taken(tmp_path) == []


def test_what_fails_is_kept_and_tried_again_later_and_later(fleet, asks, tmp_path, caplog):
    tried, wrong = [], "dc2 is silent"

    def batch(servers):
        for server in servers:
            tried.append(fleet.now())
            yield call(0, None)
            asks.ended(server, wrong)

    spool.put(tmp_path, "gone")
    while fleet.clock < 1000:
        if asks.begin():
            Scheduler(fleet).run(asks.serve(batch))
        fleet.clock += 5
    assert [later - earlier for earlier, later in itertools.pairwise(tried)][:6] == [
        5.5,
        10.5,
        20.5,
        40.5,
        80.5,
        160.5,
    ]
    assert [record.message for record in caplog.records] == [
        "gone: dc2 is silent; it is tried again until it succeeds"
    ]
    assert not asks.begin()
    assert Asks(tmp_path, fleet.now).begin(), "another process, since this one died"
    spool.put(tmp_path, "gone")
    assert asks.begin(), "it asks again itself"
    wrong = ""
    Scheduler(fleet).run(asks.serve(batch))
    assert spool.taken(tmp_path) == []
    assert not asks.begin()


def test_a_turn_that_breaks_loses_nobody(fleet, asks, tmp_path):
    def batch(servers):
        yield call(1, None)
        raise ValueError("no such file")

    spool.put(tmp_path, "gone")
    assert asks.begin()
    with pytest.raises(ValueError, match="no such file"):
        Scheduler(fleet).run(asks.serve(batch))
    assert asks.begin()
