"""The quorum proof: a truth table."""

import itertools

import pytest

from k8s_lifecycle.model.facts import Member
from k8s_lifecycle.model.quorum import Act, Answer, majority, prove, ready_to_grow

STOP, REMOVE = Act.STOP, Act.REMOVE
YES, NO, LOST = Answer.YES, Answer.NO, Answer.LOST


def members(text):
    """One member a letter: V a healthy voter, d one that is down, u one that never started, L a learner."""
    return [
        Member("" if kind == "u" else f"m{number}", f"{number}", kind == "L", kind in "VL")
        for number, kind in enumerate(text)
    ]


@pytest.mark.parametrize(
    ("cluster", "act", "subject", "answer"),
    [
        # One member is its own quorum: it may neither stop nor go.
        ("V", STOP, 0, NO),
        ("V", REMOVE, 0, NO),
        ("d", STOP, 0, LOST),
        ("d", REMOVE, 0, NO),
        # Of two, none may stop; one may leave while both are up.
        ("VV", STOP, 0, NO),
        ("VV", REMOVE, 0, YES),
        ("Vd", STOP, 1, LOST),
        ("Vd", REMOVE, 1, NO),
        ("Vd", STOP, 0, NO),
        ("Vu", REMOVE, 0, NO),
        # Three bear the loss of one.
        ("VVV", STOP, 0, YES),
        ("VVV", REMOVE, 0, YES),
        ("VVd", STOP, 0, NO),
        ("VVd", STOP, 2, YES),
        ("VVd", REMOVE, 0, NO),
        ("VVd", REMOVE, 2, YES),
        ("VVu", STOP, 0, NO),
        ("Vdd", STOP, 1, LOST),
        ("Vdd", REMOVE, 1, NO),
        ("ddd", STOP, 0, LOST),
        # A learner neither counts nor is counted on.
        ("VVL", STOP, 2, YES),
        ("VVL", REMOVE, 2, YES),
        ("VVL", STOP, 0, NO),
        ("VVVL", STOP, 0, YES),
        ("VL", REMOVE, 0, NO),
        # Four bear no more than three.
        ("VVVV", STOP, 0, YES),
        ("VVVd", STOP, 0, NO),
        ("VVVd", REMOVE, 3, YES),
        ("VVVd", REMOVE, 0, YES),
        ("VVdd", STOP, 2, LOST),
        ("VVVVV", STOP, 0, YES),
        ("VVVVd", STOP, 0, YES),
        ("VVVdd", STOP, 0, NO),
        ("VVVdd", STOP, 3, YES),
        ("VVVdd", REMOVE, 3, YES),
        ("VVVdd", REMOVE, 0, NO),
        ("VVVVVV", STOP, 0, YES),
        ("VVVVdd", STOP, 0, NO),
        ("VVVVVVV", STOP, 0, YES),
        ("VVVVVdd", STOP, 0, YES),
        ("VVVVddd", STOP, 0, NO),
        ("VVVVddd", REMOVE, 4, YES),
        ("VVVdddd", STOP, 3, LOST),
    ],
)
def test_truth_table(cluster, act, subject, answer):
    proof = prove(members(cluster), act, f"m{subject}")
    assert proof.answer is answer
    assert proof.reasons


def test_a_stranger_may_not_be_judged():
    assert prove(members("VVV"), STOP, "m9").reasons == ("m9 is not an etcd member",)


def test_the_reasons_name_who_is_down():
    assert prove(members("VVd"), STOP, "m0").reasons == (
        "after it 1 of 3 voting members would be healthy, 2 are needed",
        "m2 is down",
    )


@pytest.mark.parametrize("size", range(1, 8))
def test_after_a_yes_a_majority_of_the_voters_is_up(size):
    for kinds in itertools.product("VduL", repeat=size):
        before = members(kinds)
        for act, subject in itertools.product(Act, before):
            if subject.name and prove(before, act, subject.name):
                stays = [one for one in before if one is not subject]
                voters = [one for one in (before if act is STOP else stays) if not one.learner]
                up = [one for one in stays if not one.learner and one.healthy and one.name]
                assert len(up) >= majority(len(voters)) > 0, (kinds, act, subject)


@pytest.mark.parametrize(
    ("cluster", "whole"), [("VVV", True), ("VVL", False), ("VVd", False), ("VVu", False)]
)
def test_etcd_grows_only_when_every_member_votes_and_is_healthy(cluster, whole):
    assert (ready_to_grow(members(cluster)) == ()) is whole
