"""The fleet on Salt's event bus: the only file that touches `LocalClient`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import salt.client
import salt.key
import salt.utils.args

from k8s_lifecycle.action.fleet import Answer, Call, Outcome, Ticket

LINES = 8


@dataclass
class _Pending:
    ticket: Ticket
    call: Call
    jid: str
    deadline: float
    heard: float
    absent: int = 0


class SaltFleet:
    """The fleet on Salt's event bus: one listener for every job of a run.

    A silent minion is told apart from a busy one by asking for the job (`saltutil.find_job`): a minion that
    answers 'not running' twice lost the job; one that does not answer for `SILENCE` seconds is missing. One
    that was silent before, and of which nothing has been heard since, is for half as long.
    """

    ASK_AFTER = 8.0
    ASK_EVERY = 6.0
    ABSENT = 2
    SILENCE = 30.0

    def __init__(self, opts: Mapping[str, Any]) -> None:
        self._opts = dict(opts)
        self._client = salt.client.LocalClient(mopts=self._opts, auto_reconnect=True)
        self._client.event.subscribe("salt/job/", match_type="startswith")
        self._client.event.connect_pub()
        self._tickets = itertools.count(1)
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._probes: dict[str, str] = {}
        self._undeliverable: list[tuple[Ticket, Answer]] = []
        self._next_ask = 0.0
        self._silent: set[str] = set()

    def __enter__(self) -> SaltFleet:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the event bus: the master keeps what it sends to a listener that nobody reads."""
        self._client.destroy()

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def known(self) -> frozenset[str]:
        """Return the minions whose keys are accepted; raise what reading them raises.

        Salt's matcher would log that and say that there are none: a server without a key is forgotten.
        """
        return frozenset(salt.key.get_key(self._opts).list_status("accepted").get("minions") or ())

    def start(self, calls: Sequence[Call]) -> list[Ticket]:
        """Publish calls: those with equal function, arguments and timeout as one job."""
        jobs: dict[str, list[tuple[Ticket, Call]]] = {}
        tickets = [next(self._tickets) for _ in calls]
        for ticket, call in zip(tickets, calls, strict=True):
            jobs.setdefault(repr((call.function, call.arguments, call.timeout)), []).append((ticket, call))
        for job in jobs.values():
            self._publish(job)
        return tickets

    def _publish(self, job: list[tuple[Ticket, Call]]) -> None:
        call = job[0][1]
        now = self.now()
        try:
            published = self._client.pub(
                [call.server for _, call in job],
                call.function,
                arg=salt.utils.args.condition_input([], dict(call.arguments)),
                tgt_type="list",
                timeout=30,
            )
            jid = published["jid"] if published else ""
            error = "" if jid else "the master published the job to nobody: is its key accepted?"
        except Exception as exc:  # every way in which publishing fails is an answer
            jid, error = "", f"the master could not publish {call.function}: {exc}"
        for ticket, call in job:
            if error:
                self._undeliverable.append((ticket, Answer(call.server, Outcome.MISSING, error=error)))
            else:
                self._pending[jid, call.server] = _Pending(ticket, call, jid, now + call.timeout, now)

    def next(self, deadline: float) -> tuple[Ticket, Answer] | None:
        """Return the next answer that arrives before `deadline`."""
        while True:
            if self._undeliverable:
                return self._undeliverable.pop(0)
            overdue = self._overdue()
            if overdue:
                return overdue
            left = deadline - self.now()
            if left <= 0:
                return None
            event = self._client.event.get_event(
                wait=min(left, 0.5), tag="salt/job/", match_type="startswith", full=True, auto_reconnect=True
            )
            answered = self._answered(event) if event else None
            if answered:
                return answered
            self._ask()

    def _answered(self, event: Mapping[str, Any]) -> tuple[Ticket, Answer] | None:
        match event["tag"].split("/"):
            case ["salt", "job", jid, "ret", server]:
                data = event["data"]
            case _:
                return None
        self._silent.discard(server)
        if jid in self._probes:
            self._probed(self._probes[jid], server, data.get("return"))
            return None
        pending = self._pending.pop((jid, server), None)
        return (pending.ticket, _answer(server, data)) if pending else None

    def _probed(self, jid: str, server: str, said: Any) -> None:
        pending = self._pending.get((jid, server))
        if pending:
            pending.heard = self.now()
            pending.absent = 0 if said else pending.absent + 1

    def _overdue(self) -> tuple[Ticket, Answer] | None:
        now = self.now()
        for key, pending in self._pending.items():
            if pending.absent >= self.ABSENT:
                reason = "its minion no longer runs the job and returned nothing: was it restarted?"
            elif now - pending.heard > (patience := self._patience(pending.call.server)):
                reason = f"its minion has not answered for {patience:.0f} s"
                self._silent.add(pending.call.server)
            elif now > pending.deadline:
                reason = f"no answer within {pending.call.timeout:.0f} s"
            else:
                continue
            del self._pending[key]
            return pending.ticket, self._last_look(pending, f"{pending.call.function}: {reason}")
        return None

    def _patience(self, server: str) -> float:
        return self.SILENCE / 2 if server in self._silent else self.SILENCE

    def _last_look(self, pending: _Pending, reason: str) -> Answer:
        """Return what the job cache has: an answer may have reached the master and not this listener.

        Not by the client's `get_cache_returns`, which keeps to itself whether the job succeeded.
        """
        cached = self._client.returners[f"{self._opts['master_job_cache']}.get_jid"](pending.jid)
        returned = cached.get(pending.call.server)
        if returned is None:
            return Answer(pending.call.server, Outcome.MISSING, error=reason)
        return _answer(pending.call.server, returned)

    def _ask(self) -> None:
        """Ask the minions of jobs that are out for long whether they still run them."""
        now = self.now()
        if now < self._next_ask:
            return
        self._next_ask = now + self.ASK_EVERY
        asked: dict[str, list[str]] = {}
        for pending in self._pending.values():
            if now - (pending.deadline - pending.call.timeout) > self.ASK_AFTER:
                asked.setdefault(pending.jid, []).append(pending.call.server)
        outstanding = {jid for jid, _ in self._pending}
        self._probes = {probe: jid for probe, jid in self._probes.items() if jid in outstanding}
        for jid, servers in asked.items():
            published = self._client.pub(servers, "saltutil.find_job", arg=[jid], tgt_type="list", timeout=10)
            if published:
                self._probes[published["jid"]] = jid


def _answer(server: str, data: Mapping[str, Any]) -> Answer:
    value = data.get("return")
    if data.get("success", True) is False or data.get("retcode", 0):
        return Answer(server, Outcome.FAILED, value, _error(value))
    return Answer(server, Outcome.OK, value)


def _error(value: Any) -> str:
    """Return the useful part of a failure: failed states of a state run, or the ends of a text."""
    if isinstance(value, Mapping) and all(isinstance(state, Mapping) for state in value.values()):
        failed = [
            f"{state.get('__id__', name)}: {state.get('comment', '')}"
            for name, state in value.items()
            if state.get("result") is False and "requisite" not in str(state.get("comment", "")).lower()
        ]
        return "; ".join(failed) or "a state failed"
    if isinstance(value, list):
        return "; ".join(str(line) for line in value)
    lines = [line for line in str(value).removeprefix("ERROR: ").splitlines() if line.strip()]
    lines = _after_traceback(lines)
    return "\n".join(lines if len(lines) <= LINES else [*lines[:2], "…", *lines[2 - LINES :]])


def _after_traceback(lines: list[str]) -> list[str]:
    """Return a text without the traceback in front of it: the exception says what went wrong."""
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    if not frames:
        return lines
    return list(itertools.dropwhile(lambda line: line.startswith("    "), lines[frames[-1] + 1 :]))
