"""One actor at a time: the cluster's lock, taken on its control plane servers and in its API.

Each control plane server keeps the lock in a file of its own and, where its API answers, in the cluster's
Lease. A run holds the lock when every server that answered gave it and, together, they are either the
cluster (a Lease) or a majority of the control plane. The lock expires; what protects a server from a run that
outlived it is the fencing number that every change carries
(https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html). The lock of a run that this
master knows to have been cut off is given back in its name at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from k8s_lifecycle.action.fleet import Answer, Call
from k8s_lifecycle.action.run import Failure, Run
from k8s_lifecycle.action.scheduler import Sleep, Task
from k8s_lifecycle.model.quorum import majority

SECONDS = 120
RENEW_EVERY = 20
RELEASED_WITHIN = 15  # where that is too short, the next run of this master gives it back


class HeldError(Failure):
    """The lock was not to be had, so the run never began."""


def acquire(run: Run) -> Task:
    """Take the lock, or raise a failure that names who holds it."""
    fence = run.facts.fence + 1
    run.keepers = [server for server in run.spec.control_plane.servers if server in run.facts.servers]
    run.lock_left = True
    answers = yield from _claim(run, fence)
    if _held(run, answers):
        run.fence = fence
        run.tell("locked", fence=fence)
        return
    yield from release(run)
    raise HeldError(
        run.spec.name,
        "taking the lock",
        _holder(run, answers),
        "wait for that run, or stop it, then run again",
    )


def keep(run: Run) -> Task:
    """Renew the lock for ever; raise a failure once it is lost."""
    good = run.fleet.now()
    while True:
        yield Sleep(RENEW_EVERY)
        if not run.fence:
            good = run.fleet.now()
            continue
        run.renewing = True
        answers = yield from _claim(run, run.fence)
        run.renewing = False
        if _held(run, answers):
            good = run.fleet.now()
        elif not run.fence:
            continue
        elif run.fleet.now() - good > SECONDS - RENEW_EVERY or _taken(answers):
            raise Failure(
                run.spec.name, "keeping the lock", _holder(run, answers), "see that run, then run again"
            )


def release(run: Run) -> Task:
    """Give the lock back wherever it is this run's; a renewal under way would take it again after that."""
    run.fence = 0
    while run.renewing:
        yield Sleep(0.2)
    answers: list[Answer] = yield _releases(run, run.holder)
    unseen = run.leased and all(answer.value["lease"] is None for answer in answers if answer.ok)
    run.lock_left = unseen or not all(answer.ok for answer in answers)


def _claim(run: Run, fence: int) -> Task:
    """Claim the lock, once more after giving back that of runs known to be dead; return the answers."""
    answers: list[Answer] = yield _claims(run, fence)
    if dead := {holder for holder, _, _ in _others(run, answers) if run.knows_dead(holder)}:
        run.tell("takes_over", holders=sorted(dead))
        yield [call for holder in dead for call in _releases(run, holder)]
        answers = yield _claims(run, fence)
    run.leased = run.leased or any(answer.ok and answer.value["lease"] for answer in answers)
    return answers


def _releases(run: Run, holder: str) -> list[Call]:
    arguments = {"cluster": run.spec.name, "holder": holder}
    return [Call(server, "k8s_lock.release", arguments, RELEASED_WITHIN) for server in run.keepers]


def _claims(run: Run, fence: int) -> list[Call]:
    arguments = {"cluster": run.spec.name, "holder": run.holder, "fence": fence, "ttl": SECONDS}
    return [Call(server, "k8s_lock.acquire", arguments, 30) for server in run.keepers]


def _held(run: Run, answers: Sequence[Answer]) -> bool:
    said = [answer.value for answer in answers if answer.ok]
    enough = any(claim["lease"] for claim in said) or len(said) >= majority(
        len(run.spec.control_plane.servers)
    )
    return bool(said) and enough and all(claim["mine"] for claim in said)


def _taken(answers: Sequence[Answer]) -> bool:
    return any(answer.ok and not answer.value["mine"] for answer in answers)


def _others(run: Run, answers: Sequence[Answer]) -> Iterator[tuple[str, str, float]]:
    """Yield who else holds the lock, on which server that was seen, and for how long at most."""
    for answer in answers:
        claims: list[dict[str, Any] | None] = (
            [answer.value["lease"], answer.value["server"]] if answer.ok else []
        )
        for claim in claims:
            if claim and claim["holder"] != run.holder:
                yield claim["holder"], answer.server, claim["seconds_left"]


def _holder(run: Run, answers: Sequence[Answer]) -> str:
    for holder, server, seconds in _others(run, answers):
        left = f"for at most {seconds:.0f} s more unless renewed"
        return f"held by {holder} (seen on {server}, {left})"
    silent = [f"{answer.server}: {answer.error}" for answer in answers if not answer.ok]
    return "no majority of the control plane servers gave it: " + ("; ".join(silent) or "none answered")
