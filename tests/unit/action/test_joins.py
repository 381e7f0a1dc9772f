"""What the master says to servers that ask, and after it tried to join them."""

import logging

import pytest

from k8s_lifecycle.action import joins, spool
from k8s_lifecycle.action.carry_out import Done
from k8s_lifecycle.action.fleet import Answer, Outcome
from k8s_lifecycle.action.operation import Report
from k8s_lifecycle.action.run import Failure
from k8s_lifecycle.action.scheduler import Scheduler
from k8s_lifecycle.decision.plan import Plan, Step, Wave
from k8s_lifecycle.model.spec import Assignment, Catalogue


class Minions:
    """Answers at once; keeps what each server was told."""

    def __init__(self, waiting):
        self.waiting, self.told, self.answers = waiting, {}, []

    def now(self):
        return 0.0

    def start(self, calls):
        first = len(self.answers)
        self.answers += [self.answer(call) for call in calls]
        self.out = list(enumerate(self.answers))[first:]
        return list(range(first, len(self.answers)))

    def next(self, deadline):
        return self.out.pop(0)

    def answer(self, call):
        if call.function == "k8s_node.tell":
            self.told[call.server] = (call.arguments["outcome"], call.arguments["reason"])
            return Answer(call.server, Outcome.OK, True)
        said = self.waiting[call.server]
        return said if isinstance(said, Answer) else Answer(call.server, Outcome.OK, said)


class Clusters(Catalogue):
    def assignment(self, minion_id, grains=None):
        places = {
            "w": Assignment("dc1-prod", "worker", "general"),
            "s": Assignment("dc1-prod", "spare", None),
            "c": Assignment("dc1-prod", "control-plane", None),
        }
        return places.get(minion_id[0])


@pytest.fixture
def catalogue(tmp_path):
    return Clusters(tmp_path)


def test_only_who_confirms_that_it_asks_is_answered(catalogue, caplog):
    silent = Answer("x2", Outcome.MISSING, error="no answer within 10 s")
    minions = Minions({"x1": {"grains": {}}, "x2": silent, "x3": None})
    with caplog.at_level(logging.INFO):
        verdicts = Scheduler(minions).run(joins.answer(catalogue, ["x1", "x2", "x3"]))
    assert list(verdicts) == ["x1"]
    assert minions.told["x1"][0] == "refused"
    assert "x2 does not ask to join: no answer within 10 s" in caplog.text
    assert [line.levelname for line in caplog.records if "refused" in line.message] == ["WARNING"]


def test_servers_of_one_cluster_are_joined(catalogue):
    assert joins.cluster_of(catalogue, {"w1", "w2"}, ["w1", "w2"]) == "dc1-prod"


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        ([], "no server named"),
        (["x1"], "no cluster in .* names or allows it — name a minion id, or add it to a pool there"),
        (["s1"], "it is a spare of dc1-prod"),
        (["c1"], "run `salt-run k8s.provision dc1-prod`"),
        (["w9"], "no accepted key"),
    ],
)
def test_servers_that_cannot_join_are_named_with_the_reason(catalogue, servers, said):
    with pytest.raises(Failure, match=said):
        joins.cluster_of(catalogue, {"w1", "x1", "s1"}, servers)


def test_each_server_is_told_how_it_went():
    left = Wave("workers", (Step("join_worker", "w3", ""),))
    plan = Plan("dc1-prod", "join", waves=(left,), blocked={"w2": "did not answer"})
    failure = Failure("w1", "kubeadm join", "it timed out", "run again")
    report = Report("run", "join", plan, [Done(Step("join_worker", "w1", ""), 1.0, failure=failure)])
    minions = Minions({})
    Scheduler(minions).run(joins._tell_all(report, ["w1", "w2", "w3", "w4"]))
    assert minions.told == {
        "w1": ("failed", "w1: kubeadm join: it timed out — run again"),
        "w2": ("failed", "did not answer"),
        "w3": ("failed", "left to do: join_worker w3"),
        "w4": ("joined", ""),
    }


def test_who_asks_is_noted_until_it_is_answered(tmp_path):
    asks = tmp_path / "asks"
    assert spool.take(asks) == []
    for server in ("w2", "w1", "w1"):
        spool.put(asks, server)
    assert spool.take(asks) == ["w1", "w2"]
    assert spool.take(asks) == []
    spool.put(asks, "w1")
    spool.done(asks, "w1")
    assert spool.taken(asks) == ["w2"]
    assert spool.take(asks, busy=["w1"]) == []
    assert spool.take(asks) == ["w1"]
