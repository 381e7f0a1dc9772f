"""The scheduler on a fleet that is a queue of answers on a virtual clock."""

import pytest
from answering import Echo, call

from k8s_lifecycle.action.scheduler import AllOf, Aside, Scheduler, Sleep


def ask(after, value):
    answer = yield call(after, value)
    return answer.value


def test_a_list_of_calls_is_made_at_once_and_answered_in_order():
    fleet = Echo()

    def task():
        answers = yield [call(3, "slow"), call(1, "fast")]
        return [answer.value for answer in answers]

    assert Scheduler(fleet).run(task()) == ["slow", "fast"]
    assert fleet.clock == 3


def test_no_call_and_no_task_is_answered_at_once():
    def task():
        none = yield []
        nobody = yield AllOf([], window=2)
        return none, nobody

    assert Scheduler(Echo()).run(task()) == ([], [])


def test_a_window_bounds_what_runs_side_by_side():
    fleet = Echo()

    def task():
        return (yield AllOf([lambda n=n: ask(10, n) for n in range(5)], window=2))

    assert Scheduler(fleet).run(task()) == [0, 1, 2, 3, 4]
    assert (fleet.most, fleet.clock) == (2, 30)


def test_what_runs_aside_is_waited_for_by_nobody():
    fleet, ended = Echo(), []

    def aside():
        ended.append((yield from ask(10, "aside")))

    def task():
        yield Aside(aside())
        ended.append((yield from ask(1, "first")))
        yield Sleep(20)
        return list(ended)

    assert Scheduler(fleet).run(task()) == ["first", "aside"]
    assert fleet.clock == 21


def test_an_answer_that_an_earlier_run_asked_for_is_nothing_to_the_next():
    fleet = Echo()

    def gives_up():
        yield Sleep(1)
        raise ValueError("lost its lock")

    with pytest.raises(ValueError, match="lost its lock"):
        Scheduler(fleet).run(gives_up(), background=[ask(5, "late")])
    assert Scheduler(fleet).run(ask(10, "tidied up")) == "tidied up"


def test_what_breaks_aside_ends_the_run():
    def aside():
        yield call(1, None)
        raise ValueError("broken")

    def task():
        yield Aside(aside())
        yield Sleep(20)

    with pytest.raises(ValueError, match="broken"):
        Scheduler(Echo()).run(task())


def test_after_go_on_says_no_nothing_new_starts_and_what_runs_is_finished():
    failures = []

    def fail(n):
        yield Sleep(n)
        failures.append(n)
        raise ValueError(n)

    def task():
        tasks = [lambda n=n: fail(n) for n in (1, 2, 3)]
        return (yield AllOf(tasks, window=2, go_on=lambda: not failures))

    outcomes = Scheduler(Echo()).run(task())
    assert [str(outcome) for outcome in outcomes] == ["1", "2", "None"]


def test_tasks_that_end_at_once_do_not_end_the_group_early():
    def nothing(n):
        return n
        yield

    def task():
        return (yield AllOf([lambda n=n: nothing(n) for n in range(300)], window=2))

    assert Scheduler(Echo()).run(task()) == list(range(300))


def test_a_background_task_that_fails_ends_the_run():
    def heartbeat():
        yield Sleep(5)
        raise RuntimeError("the lock is gone")

    with pytest.raises(RuntimeError, match="the lock is gone"):
        Scheduler(Echo()).run(ask(60, "late"), background=[heartbeat()])
