"""The quorum proof: may this etcd member be stopped or removed now?

Rules: https://etcd.io/docs/v3.6/faq/ ("What is failure tolerance?") and the runtime reconfiguration
guide: a majority of *voting* members must be up, and a membership change itself needs that majority.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from k8s_lifecycle.model.facts import Member


class Act(Enum):
    """What is about to be done to a member."""

    STOP = "stop"
    REMOVE = "remove"


class Answer(Enum):
    """What the proof says. LOST: there is no quorum now and this act cannot make that worse."""

    YES = "yes"
    NO = "no"
    LOST = "lost"


@dataclass(frozen=True)
class Proof:
    """The proof's answer with its reasons, ready to be shown."""

    answer: Answer
    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.answer is Answer.YES


def majority(voters: int) -> int:
    """Return how many of so many voting members make a quorum."""
    return voters // 2 + 1


def prove(members: Sequence[Member], act: Act, name: str) -> Proof:
    """Prove that an act on the member called `name` leaves a quorum of healthy voting members.

    Members without a name were added and never started: they count as voters (or learners) that are down.
    """
    subject = next((member for member in members if member.name == name), None)
    voters = [member for member in members if not member.learner]
    up = [member for member in voters if member.healthy and member.name]
    needed = majority(len(voters))
    if subject is None:
        return Proof(Answer.NO, (f"{name} is not an etcd member",))
    if len(up) < needed:
        lost = f"quorum is lost: {len(up)} of {len(voters)} voting members are healthy, {needed} are needed"
        if act is Act.REMOVE or subject in up:
            return Proof(Answer.NO, (lost,))
        return Proof(Answer.LOST, (lost, f"{name} is not one of the healthy ones"))
    voters_after = [member for member in voters if act is Act.STOP or member is not subject]
    up_after = [member for member in up if member is not subject]
    needed_after = majority(len(voters_after))
    if not voters_after or len(up_after) < needed_after:
        after = f"after it {len(up_after)} of {len(voters_after)} voting members would be healthy"
        down = [member.name or f"unnamed {member.id}" for member in voters_after if member not in up]
        return Proof(
            Answer.NO, (f"{after}, {needed_after} are needed", *(f"{member} is down" for member in down))
        )
    return Proof(Answer.YES, (f"{len(up_after)} healthy of {len(voters_after)}, {needed_after} needed",))


def ready_to_grow(members: Sequence[Member]) -> tuple[str, ...]:
    """Return the reasons why no control plane may join now; none when every member is a healthy voter."""
    return tuple(
        f"etcd member {member.name or f'unnamed {member.id}'} is "
        + ("still a learner" if member.learner else "not healthy")
        for member in members
        if member.learner or not member.healthy or not member.name
    )
