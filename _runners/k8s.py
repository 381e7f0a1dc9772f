"""Clusters of one's own datacenters: what an operator types.

Every command reads the specs that the minions' pillar comes from (the directory in the master's
``ext_pillar: k8s_clusters``), asks the servers for their facts over Salt's bus, and reports. Exit codes:
0 as wanted, 1 something failed or is left to do, 2 refused or wrong input, 3 a fault in this code, 4 another
run has the cluster's lock.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Collection
from typing import Any

from salt.utils.verify import valid_id

from k8s_lifecycle.action import joins, living, operation, site, spool
from k8s_lifecycle.action.journal import Journal
from k8s_lifecycle.action.observe import read_facts
from k8s_lifecycle.action.progress import Progress
from k8s_lifecycle.action.run import Failure, Run, new_id, operator
from k8s_lifecycle.action.salt_fleet import SaltFleet
from k8s_lifecycle.action.scheduler import Scheduler
from k8s_lifecycle.action.verify import verify_cluster
from k8s_lifecycle.decision import provision as provisioning
from k8s_lifecycle.decision.status import status as status_of
from k8s_lifecycle.model import spec as specs

log = logging.getLogger(__name__)

__virtualname__ = "k8s"
__opts__: dict[str, Any]


def __virtual__() -> str:
    return __virtualname__


def _reports(view: str) -> Callable[[Callable[..., dict[str, Any]]], Callable[..., dict[str, Any]]]:
    """Make a command return a report for the k8s outputter, with an exit code whatever happens.

    Salt's runner ends with 0 after a TypeError, so nothing may escape from here.
    """

    def wrap(command: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        @functools.wraps(command)
        def reported(*args: Any, **kwargs: Any) -> dict[str, Any]:
            arguments = {name: value for name, value in kwargs.items() if not name.startswith("__pub")}
            try:
                report = command(*args, **arguments)
            except (specs.InvalidSpecError, Failure) as refusal:
                report = {"error": str(refusal), "retcode": 2}
            except Exception as fault:
                log.exception("k8s.%s failed", command.__name__)
                report = {"error": f"k8s.{command.__name__}: {type(fault).__name__}: {fault}", "retcode": 3}
            return {"outputter": "k8s", "data": {"view": view, **report}}

        return reported

    return wrap


@_reports("validate")
def validate(
    cluster: str | None = None, datacenter: str | None = None, environment: str | None = None
) -> dict[str, Any]:
    """
    Check cluster specs as a whole; no server is asked.

    cluster
        The name of a cluster; all of them if left out.
    datacenter, environment
        Narrow to the clusters of a datacenter or an environment.

    Returns one message for each mistake: where it is, what is wrong, what to write instead.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.validate dc1-prod
    """
    catalogue = _catalogue()
    problems = catalogue.problems if cluster is None else catalogue.problems_of(cluster)
    chosen = [] if problems else catalogue.select(cluster, datacenter, environment)
    return {
        "problems": [str(problem) for problem in problems],
        "clusters": [spec.name for spec in chosen],
        "retcode": 2 if problems else 0,
    }


@_reports("plan")
def plan(
    cluster: str | None = None, datacenter: str | None = None, environment: str | None = None
) -> dict[str, Any]:
    """
    Show what :py:func:`k8s.provision` would do now, wave by wave, and why. Changes and locks nothing.

    cluster, datacenter, environment
        Narrow to a cluster, or to those of a datacenter or an environment; all of them if left out.

    Exit code 0: nothing to do. 1: steps are to be done, or servers are blocked. 2: refused.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.plan dc1-prod
        salt-run k8s.plan datacenter=dc1 environment=staging
    """
    return _of_each(_plan, cluster, datacenter, environment)


@_reports("run")
def provision(
    cluster: str | None = None,
    datacenter: str | None = None,
    environment: str | None = None,
    test: bool = False,
) -> dict[str, Any]:
    """
    Turn the servers that a spec names into its cluster, and bring new ones into it.

    Observes, plans, acts and observes again until nothing is left to do. It may be interrupted at any
    moment and run again: it goes on from what it finds.

    cluster, datacenter, environment
        Narrow to a cluster, or to those of a datacenter or an environment, which are provisioned one after
        the other. One of them must be given.
    test
        ``True``: only show the plan, as :py:func:`k8s.plan` does.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.provision dc1-prod
        salt-run k8s.provision dc1-prod test=True
        salt-run k8s.provision datacenter=dc1 environment=staging
    """
    if not (cluster or datacenter or environment):
        raise Failure("k8s.provision", "choosing clusters", "none was named", "name one, or datacenter=…")
    return _of_each(_plan if test else _provision, cluster, datacenter, environment)


@_reports("run")
def join(*servers: str, test: bool = False) -> dict[str, Any]:
    """
    Bring these servers into the cluster that names or allows them, and change no other server.

    servers
        Minion ids, of one cluster that has an API already.
    test
        ``True``: only show the plan. Default: False.

    It is what the engine ``k8s_joins`` runs for servers that ask to join by their own highstate.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.join dc1-w-3 dc1-w-4
        salt-run k8s.join dc1-w-3 test=True
    """
    cluster = joins.cluster_of(_catalogue(), SaltFleet(__opts__).known(), servers)
    if test:
        return _planned(_run(cluster, "join"), only=servers)
    return _carried(_run(cluster, "join", show=True), functools.partial(joins.carry_through, servers=servers))


def ask_join(server: str) -> bool:
    """
    Note that a server asks to join its cluster. It is called by reactor/join.sls.

    server
        The minion id in the event. It may be forged: the engine ``k8s_joins`` asks the server itself.

    Returns whether it was noted.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.ask_join dc1-w-3
    """
    if not valid_id(__opts__, server):
        log.warning("k8s/join/ask: %r is no minion id", server)
        return False
    spool.put(site.asks(__opts__), server)
    return True


@_reports("status")
def status(
    cluster: str | None = None, datacenter: str | None = None, environment: str | None = None
) -> dict[str, Any]:
    """
    Show clusters as they are: servers, nodes, etcd, versions, locks, and what differs from the spec.

    cluster, datacenter, environment
        Narrow to a cluster, or to those of a datacenter or an environment; all of them if left out.

    Exit code 0: every server is what its spec asks for. 1: something is not.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.status dc1-prod
        salt-run k8s.status datacenter=dc1 environment=prod
    """
    found = {}
    for spec in _catalogue().select(cluster, datacenter, environment):
        run = _run(spec.name, "status")
        facts = Scheduler(run.fleet).run(read_facts(run))
        found[spec.name] = status_of(spec, facts, run.assignments)
    return {"clusters": found, "retcode": 0 if all(one["healthy"] for one in found.values()) else 1}


@_reports("verify")
def verify(
    cluster: str | None = None, datacenter: str | None = None, environment: str | None = None
) -> dict[str, Any]:
    """
    Check that a cluster serves: nodes Ready, etcd voting, DNS and pod network from a pod on every node.

    cluster, datacenter, environment
        Narrow to a cluster, or to those of a datacenter or an environment; all of them if left out.

    Exit code 0: every check passed. 1: one did not.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.verify dc1-prod
    """
    return _of_each(_verify, cluster, datacenter, environment)


def _of_each(
    report: Callable[[str], dict[str, Any]],
    cluster: str | None,
    datacenter: str | None,
    environment: str | None,
) -> dict[str, Any]:
    """Return the report on the one cluster that is named, or on each of those that match, by name."""
    catalogue = _catalogue()
    chosen = [spec.name for spec in catalogue.select(cluster, datacenter, environment)]
    if catalogue.problems and not cluster:  # whether a broken spec matches is not known
        raise specs.InvalidSpecError(catalogue.problems)
    if not chosen:
        remedy = "look at `salt-run k8s.validate`, which lists the clusters"
        raise Failure("k8s", "choosing clusters", "no cluster matches", remedy)
    if cluster:
        return report(*chosen)
    reports = {name: report(name) for name in chosen}
    return {"clusters": reports, "retcode": max(each["retcode"] for each in reports.values())}


def _plan(cluster: str) -> dict[str, Any]:
    return _planned(_run(cluster, "plan"))


def _planned(run: Run, only: Collection[str] | None = None) -> dict[str, Any]:
    decide = functools.partial(provisioning.plan, run.spec, assignments=run.assignments, only=only)
    found = operation.show(run, decide)
    return {**found.to_dict(), "view": "plan", "retcode": _retcode(bool(found.refusals), found.converged)}


def _provision(cluster: str) -> dict[str, Any]:
    run = _run(cluster, "provision", show=True)
    decide = functools.partial(provisioning.plan, run.spec, assignments=run.assignments)
    return _carried(run, functools.partial(operation.carry_through, decide=decide))


def _verify(cluster: str) -> dict[str, Any]:
    run = _run(cluster, "verify")
    checks = Scheduler(run.fleet).run(verify_cluster(run))
    return {"cluster": cluster, "checks": checks, "retcode": 0 if all(check["ok"] for check in checks) else 1}


def _run(cluster: str, name: str, show: bool = False) -> Run:
    catalogue = _catalogue()
    spec = catalogue.spec(cluster)
    fleet = SaltFleet(__opts__)
    ids = {*fleet.known(), *spec.control_plane.servers}
    found = {server: catalogue.assignment(server) for server in sorted(ids)}
    assignments = {server: place for server, place in found.items() if place and place.cluster == cluster}
    is_dead = functools.partial(living.is_dead, site.runs(__opts__))
    run = Run(new_id(), name, operator(), spec, assignments, fleet, is_dead=is_dead)
    if show:
        progress = Progress(sys.stderr)
        run.listeners = (Journal(site.journal(__opts__), cluster, run.id, run.who), progress)
        run.companions = (progress.move,)
    return run


def _catalogue() -> specs.Catalogue:
    return site.catalogue(__opts__)


def _carried(run: Run, carry_through: Callable[[Run], operation.Report]) -> dict[str, Any]:
    with living.alive(site.runs(__opts__), run.id, lambda: not run.lock_left):
        report = carry_through(run)
    retcode = 4 if report.locked_out else _retcode(bool(report.plan.refusals), report.ok)
    return {**report.to_dict(), "retcode": retcode}


def _retcode(refused: bool, good: bool) -> int:
    return 2 if refused else 0 if good else 1
