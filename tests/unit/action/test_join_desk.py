"""Servers that ask together are joined together, one run a cluster at a time."""

import pytest

from k8s_lifecycle.action.join_desk import COMPANY, FIRST_PAUSE, LOCKED_OUT, PATIENCE, JoinDesk
from k8s_lifecycle.decision.joining import Verdict


class Run:
    def __init__(self, servers):
        self.servers, self.code = servers, None

    def poll(self):
        return self.code


class Desk:
    """A desk on a clock that the test moves; servers are of the cluster that their id begins with."""

    def __init__(self):
        self.time, self.asking, self.runs = 0.0, [], []
        self.desk = JoinDesk(self.take, self.answer, self.start, lambda: self.time)

    def take(self):
        taken, self.asking = self.asking, []
        return taken

    def answer(self, servers):
        return {name: Verdict("bad" not in name, "", name.split("-")[0]) for name in servers}

    def start(self, servers):
        self.runs.append(Run(servers))
        return self.runs[-1]

    def turn(self, after=0.0, asking=()):
        self.time += after
        self.asking = list(asking)
        self.desk.turn()
        return [run.servers for run in self.runs]


@pytest.fixture
def desk():
    return Desk()


def test_a_run_waits_for_company(desk):
    assert desk.turn(asking=["dc1-w-1"]) == []
    assert desk.turn(COMPANY - 1, asking=["dc1-w-2", "dc1-bad-1"]) == []
    assert desk.turn(COMPANY) == [["dc1-w-1", "dc1-w-2"]]


def test_it_does_not_wait_for_ever(desk):
    for second in range(int(PATIENCE)):
        assert desk.turn(1, asking=[f"dc1-w-{second}"]) == []
    assert len(desk.turn(1, asking=["dc1-w-99"])[0]) == PATIENCE + 1


def test_one_run_a_cluster_at_a_time(desk):
    desk.turn(asking=["dc1-w-1", "dc2-w-1"])
    assert desk.turn(COMPANY) == [["dc1-w-1"], ["dc2-w-1"]]
    desk.turn(asking=["dc1-w-2"])
    assert len(desk.turn(COMPANY)) == 2
    desk.runs[0].code = 0
    assert desk.turn(1)[2:] == [["dc1-w-2"]]


def test_asking_again_while_it_joins_starts_no_second_run(desk):
    desk.turn(asking=["dc1-w-1"])
    desk.turn(COMPANY)
    desk.turn(asking=["dc1-w-1"])
    desk.runs[0].code = 0
    assert len(desk.turn(COMPANY)) == 1


@pytest.mark.parametrize("code", [0, 1, 2, 3, -9])
def test_whoever_did_not_join_has_to_ask_again(desk, code):
    desk.turn(asking=["dc1-w-1"])
    desk.turn(COMPANY)
    desk.runs[0].code = code
    assert len(desk.turn(1000)) == 1
    desk.turn(asking=["dc1-w-1"])
    assert len(desk.turn(COMPANY)) == 2


def test_a_run_that_was_locked_out_is_tried_again_after_pauses_that_double(desk):
    desk.turn(asking=["dc1-w-1"])
    desk.turn(COMPANY)
    for tries in range(3):
        desk.runs[-1].code = LOCKED_OUT
        desk.turn()
        assert len(desk.turn(FIRST_PAUSE * 2**tries - 1)) == tries + 1
        assert desk.turn(1)[-1] == ["dc1-w-1"]
