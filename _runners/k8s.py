"""Clusters of one's own datacenters: what an operator types.

Every command reads the specs that the minions' pillar comes from (the directory in the master's
``ext_pillar: k8s_clusters``), asks the servers for their facts over Salt's bus, and reports. Exit codes:
0 as wanted, 1 something failed or is left to do, 2 refused or wrong input, 3 a fault in this code, 4 another
run has the cluster's lock.
"""

from __future__ import annotations

import functools
import logging
import socket
import sys
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salt.utils.verify import valid_id

from k8s_lifecycle.action import agents, holding, joins, living, master_cache, operation, site, spool
from k8s_lifecycle.action import certificates as rotation
from k8s_lifecycle.action import drain as draining
from k8s_lifecycle.action.inventory import Survey, take, write
from k8s_lifecycle.action.journal import Journal
from k8s_lifecycle.action.observe import read_facts
from k8s_lifecycle.action.operation import Operation
from k8s_lifecycle.action.progress import Progress
from k8s_lifecycle.action.provision import provision as provisioning
from k8s_lifecycle.action.run import Failure, Run, new_id, operator
from k8s_lifecycle.action.salt_fleet import SaltFleet
from k8s_lifecycle.action.scheduler import Scheduler
from k8s_lifecycle.action.verify import verify_cluster
from k8s_lifecycle.decision.certificate_report import report as certificate_report
from k8s_lifecycle.decision.inventory import ROLES, Choice, Inventory
from k8s_lifecycle.decision.inventory_drift import HOUR, Limits
from k8s_lifecycle.decision.inventory_files import Files
from k8s_lifecycle.decision.status import status as status_of
from k8s_lifecycle.model import datacenters as all_datacenters
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.model.certificates import DAY
from k8s_lifecycle.model.eviction import Options
from k8s_lifecycle.page.inventory import page

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
    Check the specs of clusters, of datacenters, and of clusters that others run; no server is asked.

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
    externals, datacenters = site.externals(catalogue), site.datacenters(__opts__)
    places = {spec.name: spec.datacenter for spec in (*catalogue.specs.values(), *catalogue.broken.values())}
    misplaced = all_datacenters.misplaced_clusters(datacenters, places)
    everything = (*catalogue.problems, *externals.problems, *datacenters.problems, *misplaced)
    problems = [one for one in everything if cluster is None or cluster in one.clusters]
    theirs = externals.select(cluster, datacenter, environment)
    ours = (
        []
        if problems or cluster in externals.clusters
        else catalogue.select(cluster, datacenter, environment)
    )
    return {
        "problems": [str(problem) for problem in problems],
        "clusters": [*(spec.name for spec in ours), *(one.name for one in theirs)],
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
        return _planned(_run(cluster, "join"), provisioning(only=servers))
    return _carried(_run(cluster, "join", show=True), functools.partial(joins.carry_through, servers=servers))


@_reports("run")
def drain(
    *servers: str,
    reason: str = "maintenance",
    timeout: float = 600,
    hours: float = 24,
    force: bool = False,
    delete_emptydir_data: bool = False,
    disable_eviction: bool = False,
    grace_period: int = -1,
    skip_wait_for_delete_timeout: int = 0,
    test: bool = False,
) -> dict[str, Any]:
    """
    Empty nodes of their pods, and keep them out of service until :py:func:`k8s.uncordon`.

    All the nodes are held and cordoned first. Then their pods are evicted, each with its own grace period
    and within its disruption budget; as many nodes of a pool at once as its ``max_unavailable``, control
    planes one by one. A node that is not empty in time is given back as it was. Static pods and those of
    DaemonSets stay.
    https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/

    servers
        Minion ids, of one cluster.
    reason
        Why, for people. Default: ``maintenance``.
    timeout
        For how many seconds to try, for each node. Default: 600.
    hours
        For how long a drained node is kept held. Default: 24. It stays cordoned after that, too, but another
        drain may take it over.
    force
        ``True``: evict also pods that nobody makes anew. Default: False, they are refused.
    delete_emptydir_data
        ``True``: evict also pods with an emptyDir volume, which is lost. Default: False, they are refused.
    disable_eviction
        ``True``: delete the pods, past their disruption budgets. Default: False.
    grace_period
        Seconds that each pod gets to end. Default: -1, its own.
    skip_wait_for_delete_timeout
        Do not wait for a pod that has been ending for so many seconds. Default: 0, wait for each; on a node
        that cannot be reached 60.
    test
        ``True``: only show the plan: each pod, what becomes of it, and what its budget allows now.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.drain dc1-w-1 test=True
        salt-run k8s.drain dc1-w-1 dc1-w-2 reason='a new disk' timeout=1800
    """
    options = Options(
        force, delete_emptydir_data, disable_eviction, int(grace_period), int(skip_wait_for_delete_timeout)
    )
    seconds, kept = _positive("timeout", timeout), _positive("hours", hours) * 3600
    wanted = draining.Drain(_once(servers), reason, seconds, kept, options)
    return _on_nodes("drain", servers, draining.drain(wanted), test)


@_reports("run")
def uncordon(*servers: str, test: bool = False) -> dict[str, Any]:
    """
    Open nodes for pods: those that a drain has kept, or that are cordoned and held by nobody.

    servers
        Minion ids, of one cluster.
    test
        ``True``: only show the plan. Default: False.

    It refuses a node that another operation holds, or under a run that is at work.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.uncordon dc1-w-1
    """
    return _on_nodes("uncordon", servers, holding.uncordon(_once(servers)), test)


@_reports("run")
def hold(*servers: str, reason: str, hours: float = 24, test: bool = False) -> dict[str, Any]:
    """
    Cordon nodes and keep every operation off them, until :py:func:`k8s.release`.

    servers
        Minion ids, of one cluster.
    reason
        Why, for people: who is refused is told it.
    hours
        For how long. Default: 24. After that the node stays cordoned, and somebody else may hold it.
    test
        ``True``: only show the plan. Default: False.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.hold dc1-w-1 reason='memory errors, see ticket 42' hours=72
    """
    seconds = _positive("hours", hours) * 3600
    return _on_nodes("hold", servers, holding.hold(_once(servers), reason, seconds), test)


@_reports("run")
def release(*servers: str, force: bool = False, test: bool = False) -> dict[str, Any]:
    """
    Give the holds of nodes back, whoever took them. A node that was cordoned before stays cordoned.

    servers
        Minion ids, of one cluster.
    force
        ``True``: also where a run is at work, or may be. Default: False, that is refused.
    test
        ``True``: only show the plan. Default: False.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.release dc1-w-1
    """
    return _on_nodes("release", servers, holding.release(_once(servers), force=force), test)


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
    return _noted("k8s/join/ask", site.asks(__opts__), server)


def ask_consul(server: str) -> bool:
    """
    Note a server that asks for credentials, of Consul's agent or for Prometheus, or whose key was deleted.

    It is called by reactor/consul.sls and reactor/key.sls.

    server
        The minion id in the event. It may be forged: the engine ``k8s_consul`` looks for itself.

    Returns whether it was noted.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.ask_consul dc1-w-3
    """
    return _noted("k8s/consul/ask", site.consul_asks(__opts__), server)


def _noted(event: str, directory: Path, server: str) -> bool:
    """Note a server for the engine that serves it, unless the event names none."""
    if not valid_id(__opts__, server):
        log.warning("%s: %r is no minion id", event, server)
        return False
    spool.put(directory, server)
    return True


@_reports("deregister")
def deregister(*servers: str) -> dict[str, Any]:
    """
    Forget servers in Consul: revoke their tokens, and take them and their services out of the catalogue.

    It happens by itself when a server's key is deleted. A server that still runs loses its place too, and
    asks for new credentials with its next highstate.

    servers
        Minion ids, of whatever datacenter.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.deregister dc1-w-3
    """
    if not servers:
        raise Failure("k8s.deregister", "choosing servers", "none was named", "name minion ids")
    report: dict[str, Any] = {"servers": {}, "errors": {}}
    with SaltFleet(__opts__) as fleet:
        for server in servers:
            task = agents.forget(site.datacenters(__opts__), server)
            report["servers"][server], errors = Scheduler(fleet).run(task)
            report["errors"].update(errors)
    return {**report, "retcode": 1 if report["errors"] else 0}


@_reports("gossip")
def rotate_gossip_key() -> dict[str, Any]:
    """
    Change Consul's gossip key in all datacenters to the one in the pillars of the Consul servers.

    It is installed on every member first, then used, then the others are removed. It refuses while a member
    or a Consul server's minion is silent. It may be interrupted and run again.

    Exit code 0: every member uses this key, and no other. 1: it went no further. Nothing shows a key.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.rotate_gossip_key
    """
    with SaltFleet(__opts__) as fleet:
        task = agents.rotate_gossip_key(site.datacenters(__opts__))
        steps, refusals = Scheduler(fleet).run(task)
    return {"steps": steps, "refusals": refusals, "retcode": 1 if refusals else 0}


@_reports("restarts")
def restart_consul(datacenter: str, everyone: bool = False, test: bool = False) -> dict[str, Any]:
    """
    Restart the Consul servers of a datacenter that need it, one at a time, the leader last.

    Highstate only reloads a Consul server; a new version or address takes effect with this. Each is restarted
    only while all are well, and the next one only when all are well again. It refuses otherwise: a majority
    is never at risk. A datacenter with one Consul server has no leader meanwhile. It may be interrupted and
    run again.
    https://developer.hashicorp.com/consul/docs/upgrade

    datacenter
        Its name.
    everyone
        ``True``: also those that need no restart, such as after a new management token. Default: False.
    test
        ``True``: only show which would be, in order. Default: False.

    Exit code 0: none needs a restart any more. 1: it went no further. 2: refused; with test=True also 1 where
    some need one.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.restart_consul dc1 test=True
        salt-run k8s.restart_consul dc1
    """
    found = site.datacenters(__opts__).usable.get(datacenter)
    if found is None or found.consul is None:
        remedy = "name one that has a file with `consul`; `salt-run k8s.validate` says what is wrong with it"
        raise Failure("k8s", "choosing a datacenter", f"{datacenter} has no Consul", remedy)
    with SaltFleet(__opts__) as fleet:
        task = agents.restart_plan if test else agents.restart
        servers, refusals = Scheduler(fleet).run(task(found, everyone))
    began = bool(servers) and not test
    retcode = 1 if refusals and began else _retcode(bool(refusals), not (test and servers))
    return {"servers": servers, "refusals": refusals, "test": test, "retcode": retcode}


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


@_reports("certificates")
def certificates(
    cluster: str | None = None,
    datacenter: str | None = None,
    environment: str | None = None,
    days: float = 30,
) -> dict[str, Any]:
    """
    Show every certificate of every server: in files and kubeconfigs, of kubelets and CAs, and those served.

    cluster, datacenter, environment
        Narrow to a cluster, or to those of a datacenter or an environment; all of them if left out.
    days
        For how many days ahead an expiry is a warning. Default: 30.

    What expires first comes first. ``--out=json`` has subject, issuer, SANs and fingerprint, too.

    Exit code 0: nothing to warn of. 1: something expires soon or has expired, is not whole, is not in effect,
    or a server did not answer.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.certificates dc1-prod
        salt-run k8s.certificates datacenter=dc1 days=60 --out=json
    """
    return _of_each(functools.partial(_certificates, days=days), cluster, datacenter, environment)


@_reports("inventory")
def inventory(
    cluster: str | None = None,
    datacenter: str | None = None,
    environment: str | None = None,
    role: str | None = None,
    *,
    days: float = 30,
    hours: float = 48,
) -> dict[str, Any]:
    """
    Show every server that the master has a key of or a file names, and where it is not what it should be.

    Cluster members or not, with place, hardware, versions, state of the node, soonest end of a certificate,
    monitoring agent, Consul, last highstate, and drift; what is critical first, then what expires first. It
    asks all servers at once, and the API through the control planes. A server that does not answer is
    silent: what the master remembers of it is shown, and when it was last seen. Which agents a server is to
    have is in the file of its datacenter, as ``ext_pillar: k8s_datacenters`` reads it. Clusters that others
    run are listed from the files in ``external/`` beside the specs. Nothing is changed.

    cluster, datacenter, environment
        Narrow to a cluster, or to the servers of a datacenter or an environment; all of them if left out.
        Of a server in no cluster the datacenter is that whose file names it; where there is none, and for
        the environment, its grain counts.
    role
        Narrow to ``control-plane``, ``worker``, ``spare``, or ``none``: servers that no spec names.
    days
        For how many days ahead the end of a certificate is drift. Default: 30.
    hours
        After how many hours a highstate is old. Default: 48.

    ``--out=csv`` is for a spreadsheet, ``--out=json`` for programs.

    Exit code 0: no drift. 1: there is some.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.inventory
        salt-run k8s.inventory datacenter=dc1 role=worker
        salt-run k8s.inventory --out=csv --out-file=servers.csv
    """
    found, problems = _inventory(Choice(datacenter, environment, cluster, role), days, hours)
    return {**found.to_dict(), "problems": problems, "retcode": 1 if found.drifts or problems else 0}


@_reports("written")
def report(
    path: str | None = None,
    cluster: str | None = None,
    datacenter: str | None = None,
    environment: str | None = None,
    *,
    role: str | None = None,
    days: float = 30,
    hours: float = 48,
) -> dict[str, Any]:
    """
    Write what :py:func:`k8s.inventory` shows as one HTML page, which needs no network and no other file.

    path
        Where to write it. Also where root types this, it is written as the master's user (its setting
        ``user``; ``salt`` with Salt's own packages), who must be able to write in its directory:
        ``install -d -o salt /var/www/inventory``. Default: ``k8s/inventory.html`` in the master's cache
        directory. Whoever may read the directory may read the page.
    cluster, datacenter, environment, role, days, hours
        As in :py:func:`k8s.inventory`.

    Exit code 0: it is written, whatever is in it. 2: it could not be.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.report
        salt-run k8s.report /var/www/inventory/index.html datacenter=dc1
    """
    found, problems = _inventory(Choice(datacenter, environment, cluster, role), days, hours)
    where = Path(str(path)) if path else site.page(__opts__)
    write(where, page(found, problems, datetime.now(UTC), socket.gethostname()))
    return {"written": str(where), "servers": len(found.rows), "retcode": 0}


@_reports("run")
def rotate_certs(cluster: str, older_than: float = 24, test: bool = False) -> dict[str, Any]:
    """
    Renew the leaf certificates of a cluster's control planes, with the API serving all the while.

    One control plane at a time: back-up, new certificates and kubeconfigs, each seen in effect;
    kube-apiserver and etcd read theirs by themselves, kube-controller-manager and kube-scheduler are
    restarted. Where something does not come back, those of before are put back and the others are not
    touched. Then kubelets whose client certificate has expired get a new one; others renew theirs by
    themselves.
    https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/

    It also recovers a cluster whose leaf certificates have all expired. CAs are not renewed.

    cluster
        Its name.
    older_than
        Renew what is at least so many hours old. Default: 24, so that a run that was cut off can be repeated
        and does not begin anew. What is not whole or expires soon is renewed whatever its age.
    test
        ``True``: only show the plan. Default: False.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.rotate_certs dc1-prod test=True
        salt-run k8s.rotate_certs dc1-prod
    """
    wanted = rotation.rotate(_number("older_than", older_than, at_least=0) * 3600)
    return _through(cluster, "rotate_certs", wanted, test)


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
    return _planned(_run(cluster, "plan"), provisioning())


def _planned(run: Run, wanted: Operation) -> dict[str, Any]:
    found = operation.show(run, wanted)
    return {**found.to_dict(), "view": "plan", "retcode": _retcode(bool(found.refusals), found.converged)}


def _provision(cluster: str) -> dict[str, Any]:
    return _through(cluster, "provision", provisioning(), test=False)


def _on_nodes(name: str, servers: Collection[str], wanted: Operation, test: bool) -> dict[str, Any]:
    return _through(site.cluster_of(_catalogue(), servers), name, wanted, test, servers)


def _through(
    cluster: str, name: str, wanted: Operation, test: bool, servers: Collection[str] = ()
) -> dict[str, Any]:
    """Carry an operation through, or show its plan. servers: those that it names, known or not."""
    if test:
        return _planned(_run(cluster, name, servers=servers), wanted)
    run = _run(cluster, name, show=True, servers=servers)
    return _carried(run, functools.partial(operation.carry_through, operation=wanted))


def _verify(cluster: str) -> dict[str, Any]:
    run = _run(cluster, "verify")
    checks = Scheduler(run.fleet).run(verify_cluster(run))
    return {"cluster": cluster, "checks": checks, "retcode": 0 if all(check["ok"] for check in checks) else 1}


def _once(servers: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(servers))


def _positive(name: str, value: Any) -> float:
    return _number(name, value, at_least=1e-3)


def _number(name: str, value: Any, at_least: float) -> float:
    """Return an argument as a number; refuse what is none, or less."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not number >= at_least:
        raise Failure("k8s", f"reading {name}={value}", f"it is no number from {at_least:g}", "write one")
    return number


def _certificates(cluster: str, days: float) -> dict[str, Any]:
    run = _run(cluster, "certificates")
    pkis, unread = Scheduler(run.fleet).run(rotation.read_pkis(run))
    found = certificate_report(pkis, unread, run.clock().timestamp(), _positive("days", days) * DAY)
    return {"cluster": cluster, **found, "retcode": 1 if found["warnings"] else 0}


def _inventory(choice: Choice, days: float, hours: float) -> tuple[Inventory, list[str]]:
    """Return the inventory, and the mistakes in the files that it starts from."""
    catalogue = _catalogue()
    files = Files(catalogue, site.externals(catalogue), site.datacenters(__opts__))
    if choice.cluster not in (None, *files.specs, *files.external.clusters):
        catalogue.spec(str(choice.cluster))  # says what is wrong with the name
    if choice.role not in (None, *ROLES):
        remedy = f"write one of {', '.join(ROLES)}"
        raise Failure("k8s", f"reading role={choice.role}", "there is no such role", remedy)
    keys, remembered = master_cache.keys(__opts__), functools.partial(master_cache.remembered, __opts__)
    limits = Limits(_positive("days", days) * DAY, _positive("hours", hours) * HOUR)
    with SaltFleet(__opts__) as fleet:
        survey = Survey(files, keys, remembered, choice, limits)
        found: Inventory = Scheduler(fleet).run(take(survey))
    if not (found.rows or found.clusters):
        raise Failure("k8s", "choosing servers", "none matches", "look at `salt-run k8s.inventory`")
    return found, [str(problem) for problem in files.problems]


def _run(cluster: str, name: str, show: bool = False, servers: Collection[str] = ()) -> Run:
    catalogue = _catalogue()
    spec = catalogue.spec(cluster)
    fleet = SaltFleet(__opts__)
    ids = {*fleet.known(), *spec.control_plane.servers, *servers}
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
    with living.alive(site.runs(__opts__), run.id, lambda: not (run.lock_left or run.holding)):
        report = carry_through(run)
    retcode = 4 if report.locked_out else _retcode(bool(report.plan.refusals), report.ok)
    return {**report.to_dict(), "retcode": retcode}


def _retcode(refused: bool, good: bool) -> int:
    return 2 if refused else 0 if good else 1
