"""Take the inventory: one call to every server, all at once, and none that waits for another."""

from __future__ import annotations

import os
import pwd
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from k8s_lifecycle.action.fleet import Answer, Call, Outcome
from k8s_lifecycle.action.run import Failure
from k8s_lifecycle.action.scheduler import Task
from k8s_lifecycle.code import fingerprint
from k8s_lifecycle.decision import inventory as decision
from k8s_lifecycle.decision.inventory_drift import Limits
from k8s_lifecycle.decision.inventory_files import Files
from k8s_lifecycle.model import untrusted
from k8s_lifecycle.model.external import Access
from k8s_lifecycle.model.inventory import Overview, Remembered

TIMEOUT = 30
# kubectl may take its time twice, see cluster/foreign.py.
EXTERNAL_TIMEOUT = 40


@dataclass(frozen=True)
class Survey:
    """What is taken an inventory of, and with what. keys: all of the master's, by their state.

    remembered: returns what the master remembers of servers. clock: the time of day.
    """

    files: Files
    keys: Mapping[str, str]
    remembered: Callable[[Collection[str]], Mapping[str, Remembered]]
    choice: decision.Choice = field(default_factory=decision.Choice)
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    code: str = field(default_factory=fingerprint)


def take(survey: Survey) -> Task:
    """Ask, and return the inventory. Nobody is synchronised and nothing is changed: differences are told."""
    asked = survey.clock().timestamp()
    files = survey.files
    servers = decision.asked(files, survey.keys, survey.choice)
    looks = {one.name: one.access for one in survey.choice.of(files.external) if one.access}
    specs = {name: spec.to_dict() for name, spec in files.catalogue.specs.items()}
    places = {server: files.place(server) for server in servers}
    calls = [_question(server, specs.get(place.cluster if place else "")) for server, place in places.items()]
    answers: list[Answer] = yield calls + [_look(access) for access in looks.values()]
    said, overviews = answers[: len(servers)], answers[len(servers) :]
    found = decision.Answers(
        said={one.server: one.value for one in said if one.ok},
        silent={one.server: one.error for one in said if one.outcome is Outcome.MISSING},
        failed={one.server: one.error or "it failed" for one in said if one.outcome is Outcome.FAILED},
        external={name: _overview(answer) for name, answer in zip(looks, overviews, strict=True)},
        asked=asked,
        now=survey.clock().timestamp(),
    )
    quiet = set(files.servers(survey.keys)) - set(found.said)
    master = decision.Master(survey.keys, survey.remembered(quiet), survey.code)
    return decision.inventory(files, found, master, limits=survey.limits, choice=survey.choice)


def write(path: Path, page: str) -> None:
    """Put a page where it belongs, whole: whoever reads it has the old one or the new one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("x", encoding="utf-8") as file:  # never through a link that somebody has laid there
            file.write(page)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        user = pwd.getpwuid(os.geteuid()).pw_name
        remedy = f"it is written as {user}, the master's user: `install -d -o {user} {path.parent}`"
        raise Failure("k8s", f"writing {path}", error.strerror or str(error), remedy) from error


def _question(server: str, spec: Mapping[str, Any] | None) -> Call:
    """Ask a server. It is given its spec, since its pillar may be older; those of a cluster are one job."""
    return Call(server, "k8s_server.inventory", {"spec": spec} if spec else {}, TIMEOUT)


def _look(access: Access) -> Call:
    arguments = {"kubeconfig": access.kubeconfig, "context": access.context}
    return Call(access.minion, "k8s_api.overview", arguments, EXTERNAL_TIMEOUT)


def _overview(answer: Answer) -> Overview:
    if answer.ok:
        return Overview.read(answer.value)
    return Overview(error=untrusted.text(f"{answer.server}: {answer.error}"))
