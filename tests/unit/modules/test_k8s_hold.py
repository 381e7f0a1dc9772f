"""Holds in the API: with the cordon, as one compare-and-set, and given back as it was."""

from dataclasses import replace

import pytest
from fake_api import FakeApi

from k8s_lifecycle.cluster import holds, nodes
from k8s_lifecycle.model.hold import ANNOTATION, HeldError, Hold, moment

PATH = f"{nodes.NODES}/w-1"
MINE = Hold("drain", "run-1", "ann", "a new disk", moment(), moment(600))
NEXT = Hold("drain", "run-2", "bob", "again", moment(), moment(600))


def node(*, cordoned=False, ready="True"):
    return {
        "metadata": {"name": "w-1", "labels": {}},
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def cordoned(api):
    return api.objects[PATH]["spec"].get("unschedulable", False)


def held(api):
    return ANNOTATION in api.objects[PATH]["metadata"].get("annotations", {})


@pytest.mark.parametrize("before", [False, True])
def test_a_node_is_cordoned_under_a_hold_and_given_back_as_it_was(before):
    api = FakeApi({PATH: node(cordoned=before)})
    holds.take(api, "w-1", MINE)
    assert held(api)
    assert cordoned(api)
    assert holds.give_back(api, "run-1") == {"changed": ["w-1"], "left": []}
    assert not held(api)
    assert cordoned(api) is before


def test_the_next_run_knows_that_a_dead_one_found_it_cordoned():
    api = FakeApi({PATH: node(cordoned=True)})
    holds.take(api, "w-1", MINE)
    with pytest.raises(HeldError, match="run-1"):
        holds.take(api, "w-1", NEXT)
    holds.take(api, "w-1", NEXT, dead=["run-1"])
    holds.give_back(api, "run-2")
    assert cordoned(api)


def test_of_two_that_take_it_at_once_one_has_it():
    api = FakeApi({PATH: node()})
    others = [NEXT]

    def another():
        if others:
            api._store(PATH, {**node(), "metadata": {**node()["metadata"], "annotations": _of(others.pop())}})

    api.before_write = another
    with pytest.raises(HeldError, match="run-2"):
        holds.take(api, "w-1", MINE)


def _of(hold):
    return {ANNOTATION: hold.to_annotation()}


def test_a_run_gives_back_only_its_own():
    api = FakeApi({PATH: node()})
    holds.take(api, "w-1", MINE)
    assert holds.give_back(api, "run-2") == {"changed": [], "left": []}
    assert held(api)


def test_what_is_kept_is_no_runs_any_more():
    api = FakeApi({PATH: node()})
    holds.take(api, "w-1", MINE)
    assert holds.keep(api, "w-1", "run-1", 60)
    assert holds.give_back(api, "run-1") == {"changed": [], "left": []}
    assert holds.give_back(api, "") == {"changed": [], "left": []}
    assert cordoned(api)


def test_a_node_that_cannot_be_reached_stays_held_by_no_run():
    api = FakeApi({PATH: node(ready="Unknown")})
    holds.take(api, "w-1", MINE)
    assert holds.give_back(api, "run-1") == {"changed": [], "left": ["w-1"]}
    assert cordoned(api)
    assert holds.of(api.get(PATH)).run == ""


def test_a_person_releases_what_no_run_works_under_or_by_force():
    api = FakeApi({PATH: node()})
    hold = holds.take(api, "w-1", MINE)
    with pytest.raises(HeldError, match="run-1"):
        holds.release(api, "w-1", hold)
    assert holds.release(api, "w-1", hold, force=True)
    assert not holds.release(api, "w-1", hold)
    assert not cordoned(api)


def test_a_release_that_comes_late_does_not_hit_the_next_hold():
    api = FakeApi({PATH: node()})
    seen = holds.take(api, "w-1", replace(MINE, run="", since=moment(-60)))
    holds.release(api, "w-1", seen)
    holds.take(api, "w-1", replace(MINE, run=""))
    with pytest.raises(HeldError):
        holds.release(api, "w-1", seen)
    with pytest.raises(HeldError):
        holds.uncordon(api, "w-1", seen)
    assert cordoned(api)


def test_a_node_that_somebody_opened_by_hand_is_held_anew():
    api = FakeApi({PATH: node(cordoned=True)})
    holds.take(api, "w-1", replace(MINE, run="", since=moment(-60)))
    api.merge(PATH, {"spec": {"unschedulable": None}})
    again = holds.take(api, "w-1", MINE)
    assert (again.was_cordoned, again.since) == (False, MINE.since)


def test_uncordon_opens_what_a_drain_has_kept_whatever_it_was_before():
    api = FakeApi({PATH: node(cordoned=True)})
    hold = holds.take(api, "w-1", MINE)
    with pytest.raises(HeldError):
        holds.uncordon(api, "w-1", hold)
    holds.keep(api, "w-1", "run-1", 60)
    assert holds.uncordon(api, "w-1", replace(hold, run=""))
    assert not cordoned(api)
    assert not held(api)
    assert not holds.uncordon(api, "w-1", None)


def test_uncordon_opens_nothing_that_another_operation_holds():
    api = FakeApi({PATH: node()})
    hold = holds.take(api, "w-1", Hold("hold", "", "ann", "memory errors", moment(), moment(600)))
    with pytest.raises(HeldError, match="memory errors"):
        holds.uncordon(api, "w-1", hold)
    assert cordoned(api)
