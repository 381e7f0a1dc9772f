"""Who may take over the hold of a node, and who may give it back."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from k8s_lifecycle.model.hold import ANNOTATION, HeldError, Hold, may_release, moment, taken

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
LATER, EARLIER = moment(3600, NOW), moment(-3600, NOW)
FOUND = Hold("drain", "run-1", "ann@master", "a new disk", EARLIER, LATER, was_cordoned=True)
NEXT = Hold("drain", "run-2", "bob@master", "again", moment(0, NOW), LATER, was_cordoned=True)
KEPT = replace(FOUND, run="")
EXPIRED = replace(FOUND, until=EARLIER)
BY_HAND = Hold("hold", "", "ann@master", "memory errors", EARLIER, LATER, was_cordoned=True)


@pytest.mark.parametrize(
    ("found", "wanted", "dead", "is_taken"),
    [
        (None, NEXT, (), True),
        # A run that lives keeps what it has; it may renew it.
        (FOUND, NEXT, (), False),
        (FOUND, FOUND, (), True),
        # What a run that was cut off or has had its time left is for the same operation only.
        (FOUND, NEXT, ("run-1",), True),
        (EXPIRED, NEXT, (), True),
        (FOUND, replace(NEXT, operation="upgrade"), ("run-1",), False),
        (EXPIRED, replace(NEXT, operation="upgrade"), (), False),
        # What is kept is for who has it, until it expires.
        (KEPT, NEXT, (), False),
        (KEPT, replace(NEXT, who="ann@master"), (), True),
        (replace(KEPT, until=EARLIER), NEXT, (), True),
        (BY_HAND, replace(BY_HAND, reason="still"), (), True),
        (BY_HAND, replace(BY_HAND, who="bob@master"), (), False),
        (BY_HAND, NEXT, (), False),
        (BY_HAND, replace(NEXT, who="ann@master"), (), False),
    ],
)
def test_who_may_take_it(found, wanted, dead, is_taken):
    if is_taken:
        assert taken(found, wanted, NOW, dead).run == wanted.run
    else:
        with pytest.raises(HeldError, match=f"held by {found.operation} by ann@master"):
            taken(found, wanted, NOW, dead)


def test_a_kept_node_that_somebody_opened_is_anybodys_for_the_same_operation():
    opened = replace(NEXT, was_cordoned=False)
    assert taken(KEPT, opened, NOW) == opened
    with pytest.raises(HeldError):
        taken(FOUND, opened, NOW)
    with pytest.raises(HeldError):
        taken(BY_HAND, opened, NOW)


def test_who_takes_over_remembers_what_the_node_was_before_the_first():
    hold = taken(FOUND, NEXT, NOW, ["run-1"])
    assert (hold.was_cordoned, hold.since, hold.who) == (True, EARLIER, "bob@master")


@pytest.mark.parametrize(
    ("found", "dead", "may"),
    [
        (FOUND, (), False),
        (FOUND, ("run-1",), True),
        (EXPIRED, (), True),
        (KEPT, (), True),
        (BY_HAND, (), True),
    ],
)
def test_a_person_may_release_what_no_run_works_under(found, dead, may):
    assert may_release(found, NOW, dead) is may


def test_an_annotation_says_it_all():
    assert Hold.read({ANNOTATION: FOUND.to_annotation()}) == FOUND
    assert Hold.read({}) is None


@pytest.mark.parametrize("said", ["", "{", "[]", "{}", '{"operation": "drain"}', "null", '"x"'])
def test_a_damaged_annotation_is_a_hold_of_nobody(said):
    hold = Hold.read({ANNOTATION: said})
    with pytest.raises(HeldError, match="is damaged"):
        taken(hold, NEXT, NOW)
    assert may_release(hold, NOW)


@pytest.mark.parametrize("time", ["soon", "2026-01-31T12:00:00", ""])
def test_so_is_one_with_a_time_that_is_none(time):
    assert Hold.read({ANNOTATION: replace(FOUND, until=time).to_annotation()}).operation == "?"
    assert Hold.read({ANNOTATION: replace(FOUND, since=time).to_annotation()}).operation == "?"
