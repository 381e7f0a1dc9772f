"""One execution of an operation: its id, its spec, what it last saw, and who is told about it."""

from __future__ import annotations

import getpass
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from k8s_lifecycle.action.fleet import Answer, Call, Fleet, Outcome
from k8s_lifecycle.action.scheduler import Task
from k8s_lifecycle.code import fingerprint
from k8s_lifecycle.decision.plan import Step
from k8s_lifecycle.model.facts import Facts, Server
from k8s_lifecycle.model.spec import Assignment, Spec

RUN_AGAIN = "run the same command again: it goes on from what it finds"

Listener = Callable[[str, Mapping[str, Any]], None]


class Failure(Exception):
    """Something that the run could not do: which server, what was tried, what it said, what to do next."""

    def __init__(self, server: str, tried: str, said: str, remedy: str) -> None:
        super().__init__(f"{server}: {tried}: {said} — {remedy}")
        self.server, self.tried, self.said, self.remedy = server, tried, said, remedy


def new_id() -> str:
    """Return an id for a run: sortable by time, unlike any other."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + secrets.token_hex(3)


def operator() -> str:
    """Return who runs this and where, for the lock and the journal."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@dataclass
class Run:
    """What the steps of one run share.

    fence: the fencing number of the lock; 0 until it is held. keepers: the servers that keep the lock.
    renewing: whether a renewal of it is under way. leased: whether it was seen in the cluster's Lease.
    lock_left: whether a server or the Lease may still have it. holding: whether it may hold nodes.
    is_dead: whether the run of an id was one of this master and was cut off.
    clock: the time of day, by which holds count.
    companions: what goes on beside the run until it ends, such as a display that moves.
    code: which code a server must have. facts: the latest observation.
    under_way: the steps that are carried out now. questions: what they are about to ask together, by name.
    """

    id: str
    operation: str
    who: str
    spec: Spec
    assignments: Mapping[str, Assignment]
    fleet: Fleet
    listeners: tuple[Listener, ...] = ()
    fence: int = 0
    keepers: list[str] = field(default_factory=list)
    renewing: bool = False
    lock_left: bool = False
    holding: bool = False
    leased: bool = False
    is_dead: Callable[[str], bool] = lambda run: False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    companions: tuple[Callable[[], Task], ...] = ()
    code: str = field(default_factory=fingerprint)
    facts: Facts = field(default_factory=lambda: Facts({}))
    under_way: list[Step] = field(default_factory=list)
    questions: dict[str, Any] = field(default_factory=dict)

    @property
    def holder(self) -> str:
        """How this run is named in locks and in the message of whom it keeps out."""
        return f"{self.operation} {self.id} by {self.who}"

    def knows_dead(self, holder: str) -> bool:
        """Whether a holder of the lock is a run that this master knows to have been cut off."""
        operation, _, rest = holder.partition(" ")
        return bool(operation) and self.is_dead(rest.partition(" ")[0])

    def tell(self, event: str, **what: Any) -> None:
        """Tell the journal and the progress display what happens."""
        for listener in self.listeners:
            listener(event, what)

    def waits_for(self, step: Step, what: str) -> None:
        """Show what a step is waiting for."""
        self.tell("waits", step=str(step), server=step.server, verb=step.verb, what=what)

    def seen(self, server: str) -> Server:
        """Return a server as it was last seen; raise a failure where it did not answer."""
        if server not in self.facts.servers:
            raise Failure(server, "looking at it", "it did not answer", f"bring its minion back; {RUN_AGAIN}")
        return self.facts.servers[server]

    def change(self, server: str, function: str, timeout: float, **arguments: Any) -> Call:
        """Return a call that changes something: it carries the fencing number."""
        return Call(server, function, {"fence": self.fence, **arguments}, timeout)

    def acting(self) -> list[str]:
        """Return the control planes that may act for the cluster, those whose API answered last first."""
        seeing = [view.seen_by for view in self.facts.views]
        answered = [server for server in self.spec.control_plane.servers if server in self.facts.servers]
        return list(dict.fromkeys([*seeing, *answered]))


def through_control_plane(
    run: Run, function: str, arguments: Mapping[str, Any], seconds: float = 60, avoid: str = ""
) -> Task:
    """Call a function on a control-plane server, on the next one where one cannot; return its value.

    Any healthy one will do, none is special. seconds: how long each may take. avoid: a server that must not
    be the one that acts.
    """
    errors: dict[str, list[str]] = {}
    for server in run.acting():
        if server == avoid:
            continue
        answer: Answer = yield Call(server, function, arguments, seconds)
        if answer.ok:
            return answer.value
        errors.setdefault(answer.error, []).append(server)
    said = "; ".join(f"{', '.join(servers)}: {error}" for error, servers in errors.items())
    raise Failure(
        run.spec.name,
        f"{function} through a control plane server",
        said or "none answers",
        f"mend what it says, or bring one control plane's minion and API server back; {RUN_AGAIN}",
    )


def value_of(answer: Answer, tried: str, remedy: str) -> Any:
    """Return an answer's value; raise the failure that it is otherwise."""
    if answer.ok:
        return answer.value
    hint = "it may still be doing it: " if answer.outcome is Outcome.MISSING else ""
    raise Failure(answer.server, tried, answer.error, hint + remedy)
