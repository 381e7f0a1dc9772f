"""Steps that want the same thing of different nodes at about the same time ask for it once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from k8s_lifecycle.action.run import Run
from k8s_lifecycle.action.scheduler import Sleep, Task
from k8s_lifecycle.decision.plan import Step

# How long the first one waits for others, and how often those look whether they have their answer.
GATHER = 1.0
POLL = 0.2


@dataclass
class Question:
    """What was asked for which nodes, and what came of it."""

    nodes: list[str] = field(default_factory=list)
    ended: bool = False
    answer: Any = None
    failure: Exception | None = None


def together(run: Run, what: str, step: Step, ask: Callable[[list[str]], Task]) -> Task:
    """Return what `ask` returns for a step's node and for all others that want it now; raise its failure.

    what: a name for it. ask: makes the task for a list of nodes. A step that has no like waits for none.
    """
    node, question = run.spec.node_name(step.server), run.questions.get(what)
    if question is None:
        question = run.questions[what] = Question([node])
        others = sum(other.verb == step.verb for other in run.under_way) - 1
        yield from _lead(run, what, question, ask, GATHER if others else 0)
    else:
        question.nodes.append(node)
        while not question.ended:
            yield Sleep(POLL)
    if question.failure:
        raise question.failure
    return question.answer


def _lead(run: Run, what: str, question: Question, ask: Callable[[list[str]], Task], seconds: float) -> Task:
    """Wait for others, then ask for all of them; who comes later asks anew."""
    yield Sleep(seconds)
    del run.questions[what]
    try:
        question.answer = yield from ask(question.nodes)
    except Exception as failure:  # it is everybody's
        question.failure = failure
    finally:
        question.ended = True
