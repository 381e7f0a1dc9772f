"""Steps that ask for the same thing at about the same time are answered by one call."""

from types import SimpleNamespace

import pytest

from k8s_lifecycle.action.run import Failure
from k8s_lifecycle.action.scheduler import AllOf, Scheduler, Sleep
from k8s_lifecycle.action.together import GATHER, together
from k8s_lifecycle.decision.plan import Step


class Clock:
    """A fleet that only has a clock."""

    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time

    def next(self, deadline):
        self.time = deadline


def answers(starts, ask, what="check", others=(), clock=None):
    """Let a step for each node start at its time; return what each was told.

    others: the verbs of more steps that are under way.
    """
    steps = {node: Step("settle", node, "new") for node in starts}
    under_way = [*steps.values(), *(Step(verb, "z", "new") for verb in others)]
    run = SimpleNamespace(questions={}, under_way=under_way, spec=SimpleNamespace(node_name=str))

    def begin(node, after):
        yield Sleep(after)
        return (yield from together(run, what, steps[node], ask))

    def all_steps():
        tasks = [lambda node=node, after=after: begin(node, after) for node, after in starts.items()]
        return (yield AllOf(tasks, window=len(tasks)))

    found = dict(zip(starts, Scheduler(clock or Clock()).run(all_steps()), strict=True))
    assert run.questions == {}
    return found


def test_those_that_come_within_a_moment_are_asked_about_together():
    asked = []

    def ask(nodes):
        asked.append(list(nodes))
        yield Sleep(5)
        return {node: f"{node} is well" for node in nodes}

    found = answers({"a": 0, "b": GATHER / 2, "late": GATHER + 1}, ask)
    assert asked == [["a", "b"], ["late"]]
    assert found["b"]["b"] == "b is well"
    assert found["late"] == {"late": "late is well"}


def test_a_failure_is_everybodys():
    failure = Failure("cp-1", "asking", "no", "try again")

    def ask(nodes):
        yield Sleep(1)
        raise failure

    assert answers({"a": 0, "b": 0}, ask) == {"a": failure, "b": failure}


def test_a_fault_in_the_code_leaves_nobody_waiting():
    def ask(nodes):
        yield Sleep(1)
        raise ValueError

    found = answers({"a": 0, "b": 0}, ask)
    assert isinstance(found["a"], ValueError)
    assert isinstance(found["b"], ValueError)


@pytest.mark.parametrize("what", ["check", "another"])
def test_one_alone_is_asked_about_alone(what):
    def ask(nodes):
        yield Sleep(0)
        return nodes

    assert answers({"a": 0}, ask, what) == {"a": ["a"]}


@pytest.mark.parametrize(
    ("others", "waits"),
    [((), 0), (("join_worker",), 0), (("settle",), GATHER)],
    ids=["alone", "beside a step of another kind", "beside one that will ask, too"],
)
def test_one_waits_only_for_whom_may_come(others, waits):
    clock = Clock()

    def ask(nodes):
        yield Sleep(0)
        return clock.now()

    assert answers({"a": 0}, ask, others=others, clock=clock) == {"a": waits}
