"""Serve servers that ask to join their cluster by their own highstate.

Master configuration:

.. code-block:: yaml

    engines:
      - k8s_joins: {}
    reactor:
      - k8s/join/ask:
        - salt://k8s/reactor/join.sls

The reactor notes who asks. This engine confirms it with each server by a job, tells it whether its cluster's
spec allows it, and joins those that may with ``salt-run k8s.join``: one run for all that ask together, under
the cluster's lock.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from k8s_lifecycle.action import joins, site, spool
from k8s_lifecycle.action.join_desk import JoinDesk
from k8s_lifecycle.action.join_process import JoinProcess
from k8s_lifecycle.action.salt_fleet import SaltFleet
from k8s_lifecycle.action.scheduler import Scheduler
from k8s_lifecycle.decision.joining import Verdict

log = logging.getLogger(__name__)

__virtualname__ = "k8s_joins"
__opts__: Mapping[str, Any]


def __virtual__() -> str | tuple[bool, str]:
    return __virtualname__ if __opts__["__role"] == "master" else (False, "k8s_joins runs on the master")


def start(interval: float = 1.0) -> None:
    """Serve for ever. What goes wrong in one turn is logged, and the next one comes.

    interval
        For how many seconds to rest between two looks at who asks. Default: 1.
    """
    configuration = str(Path(__opts__["conf_file"]).parent)
    desk = JoinDesk(
        asking=_asking,
        answer=_answer,
        start=functools.partial(JoinProcess, configuration),
    )
    while True:
        try:
            desk.turn()
        except Exception:  # whatever a turn could not do is asked for again
            log.exception("serving servers that ask to join")
        time.sleep(interval)


def _asking() -> list[str]:
    """Who is lost here asks again until it has joined."""
    found = spool.take(site.asks(__opts__))
    for server in found:
        spool.done(site.asks(__opts__), server)
    return found


def _answer(servers: Collection[str]) -> dict[str, Verdict]:
    with SaltFleet(__opts__) as fleet:
        known = fleet.known()
        asking = [server for server in servers if server in known]
        verdicts: dict[str, Verdict] = Scheduler(fleet).run(joins.answer(site.catalogue(__opts__), asking))
        return verdicts
