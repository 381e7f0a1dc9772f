"""The state k8s_node.drained, on functions that answer as the module's do."""

from dataclasses import replace

import pytest
import state_module
from salt.exceptions import CommandExecutionError

from k8s_lifecycle.model.hold import Hold, moment

POD = {"pod": "shop/web", "why": "of ReplicaSet web"}
NOTHING = {"left": [], "never": [], "attachments": [], "skipped": [], "lost": ""}
KEPT = Hold("drain", "", "a state on cp-1", "maintenance", moment(), moment(3600))


class Node:
    """A node as k8s_drain and k8s_hold show it, and what was asked of it."""

    def __init__(self):
        self.pods, self.forbidden, self.hold, self.cordoned = [POD], [], None, False
        self.rounds = [NOTHING]
        self.called = []

    def look(self, nodes, options):
        if nodes != ["w-1"]:
            return dict.fromkeys(nodes)
        hold = self.hold.to_dict() if self.hold else None
        seen = {"goes": self.pods, "forbidden": self.forbidden, "hold": hold, "cordoned": self.cordoned}
        return {"w-1": {**seen, "attachments": [], "volumes": ["pv-1"], "stays": [], "unreachable": False}}

    def take(self, node, hold):
        self.called.append("take")
        self.hold, self.cordoned = Hold.from_dict(hold), True

    def evict(self, node, run, options, seconds):
        said = self.rounds.pop(0)
        if isinstance(said, Exception):
            raise said
        if said == NOTHING:
            self.pods = []
        return said

    def keep(self, node, run, seconds):
        self.called.append("keep")
        self.hold = replace(self.hold, run="")

    def give_back(self, run, nodes):
        self.called.append("give_back")
        if self.hold and self.hold.run == run:
            self.hold, self.cordoned = None, False


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def drained(node):
    functions = {
        "k8s_drain.look": node.look,
        "k8s_drain.evict": node.evict,
        "k8s_hold.take": node.take,
        "k8s_hold.keep": node.keep,
        "k8s_hold.give_back": node.give_back,
    }
    state = state_module.load("k8s_node", functions)

    def call(name="w-1", test=False, **how):
        state.__opts__["test"] = test
        return state.drained(name, **how)

    return call


def test_a_node_is_held_emptied_and_kept(drained, node):
    done = drained(reason="a new disk")
    assert done["result"] is True
    assert done["changes"]["shop/web"] == {"old": "on w-1", "new": "of ReplicaSet web"}
    assert done["changes"]["hold"]["new"]["reason"] == "a new disk"
    assert (node.hold.run, node.hold.volumes) == ("", ("pv-1",))
    assert drained() == {**drained(), "changes": {}, "result": True}


def test_in_test_mode_it_is_only_told(drained, node):
    told = drained(test=True)
    assert told["result"] is None
    assert set(told["changes"]) == {"shop/web", "hold"}
    assert node.called == []


@pytest.mark.parametrize(
    "hold",
    [
        Hold("hold", "", "ann", "memory errors", "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
        replace(KEPT, run="r"),
    ],
)
@pytest.mark.parametrize("test", [False, True])
def test_a_node_that_another_one_holds_is_left_alone(drained, node, hold, test):
    node.hold = hold
    told = drained(test=test)
    assert told["result"] is False
    assert f"held by {hold.operation} by {hold.who}" in told["comment"]
    assert node.called == []


def test_what_its_own_killed_run_left_is_gone_on_with(drained, node):
    node.hold = replace(KEPT, run="state-cp-1-w-1")
    assert drained()["result"] is True


def test_what_would_be_lost_is_named_and_nothing_is_touched(drained, node):
    node.forbidden = [{"pod": "shop/alone", "why": "it has no controller"}]
    told = drained()
    assert (told["result"], told["comment"]) == (False, "In the way: shop/alone (it has no controller)")
    assert node.called == []


def test_a_node_that_is_not_empty_in_time_is_given_back(drained, node):
    node.rounds = [{**NOTHING, "left": [{"pod": "shop/web", "why": "budget web"}]}]
    told = drained(timeout=-1)
    assert (told["result"], told["comment"], told["changes"]) == (
        False,
        "Not empty: shop/web (budget web)",
        {},
    )
    assert (node.hold, node.cordoned) == (None, False)


def test_it_is_given_back_when_the_api_is_gone(drained, node):
    node.rounds = [CommandExecutionError("the API server does not answer")]
    assert drained()["comment"] == "the API server does not answer"
    assert node.hold is None


def test_a_node_that_is_none_is_told(drained):
    assert drained("w-9")["comment"] == "The cluster has no node w-9"
