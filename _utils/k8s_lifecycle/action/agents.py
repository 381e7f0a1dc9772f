"""What servers ask for: the credentials of Consul's agent, and for Prometheus certificates of clusters.

Servers that are gone are forgotten in Consul.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Collection

from k8s_lifecycle.action import metrics_access
from k8s_lifecycle.action.fleet import Answer, Call
from k8s_lifecycle.action.metrics_access import TIMEOUT, through_any
from k8s_lifecycle.action.scheduler import AllOf, Task
from k8s_lifecycle.decision import consul_restart as restarts
from k8s_lifecycle.decision import gossip as decision
from k8s_lifecycle.model.consul import Membership, service_names, writes_for
from k8s_lifecycle.model.datacenter import Datacenter
from k8s_lifecycle.model.datacenters import Datacenters, Place
from k8s_lifecycle.model.spec import Catalogue

log = logging.getLogger(__name__)

RESTART = 120.0
WINDOW = 20
_STEPS = 4  # three, and the look that finds nothing left


def serve(
    datacenters: Datacenters,
    clusters: Catalogue,
    known: Collection[str],
    asked: Collection[str],
    ended: Callable[[str, str], None],
) -> Task:
    """Serve servers that are said to ask, or to be gone; tell `ended` of each why it is to be served again.

    What said so may be forged: a server is given something only when it confirms that it waits, in its answer
    to a job; it is forgotten only when the master has no accepted key of it, and only if a datacenter's file
    names it: Consul has nodes that are no servers of ours, such as the one that stands for a cluster.
    """

    def one(server: str) -> Task:
        wrong = ""
        try:
            if server in known:
                wrong = yield from _served(datacenters, clusters, server)
            elif datacenters.place(server):
                wrong = yield from _forgotten(datacenters, server)
        except Exception as error:
            log.exception("serving %s", server)
            wrong = str(error)
        ended(server, wrong)

    yield AllOf([functools.partial(one, server) for server in asked], WINDOW)


def forget(datacenters: Datacenters, server: str) -> Task:
    """Forget a server in every datacenter, in all at once, since one may be cut off.

    Returns what there was of it, and why some could not be asked, both by datacenter.
    """
    found: dict[str, list[str]] = {}
    errors: dict[str, str] = {}

    def forget_in(name: str, servers: Collection[str]) -> Task:
        answer = yield from through_any(servers, "k8s_consul.forget", {"server": server, "datacenter": name})
        if answer.ok:
            found[name] = answer.value
        else:
            errors[name] = answer.error

    usable = {name: one.consul.servers for name, one in datacenters.usable.items() if one.consul}
    yield AllOf([functools.partial(forget_in, *one) for one in usable.items()], WINDOW)
    return found, errors


def rotate_gossip_key(datacenters: Datacenters) -> Task:
    """Change the gossip key of all datacenters to the one in the pillars of their Consul servers.

    Returns the steps that were taken, and why it went no further; it goes on from what it finds.
    """
    taken: list[str] = []
    for _ in range(_STEPS):
        looks, silent = yield from _look_at_gossip(datacenters)
        if said := decision.refusals(looks, silent):
            return taken, said
        step = decision.step(looks)
        if not step:
            return taken, []
        if taken and step == taken[-1]:
            return taken, [f"`{step}` did not reach every member — see Consul's log, then run this again"]
        for name, datacenter in datacenters.usable.items():
            if datacenter.consul:
                arguments = {"step": step, "datacenter": name}
                answer = yield from through_any(
                    datacenter.consul.servers, "k8s_consul.change_gossip_key", arguments
                )
                if not answer.ok:
                    return taken, [f"{name}: {step}: {answer.error}"]
        taken.append(step)
    return taken, ["it does not come to an end — see Consul's log, then run this again"]


def restart_plan(datacenter: Datacenter, everyone: bool) -> Task:
    """Return which Consul servers of a datacenter are to be restarted, in order, and why none may be."""
    servers = datacenter.consul.servers if datacenter.consul else {}
    calls = [
        Call(server, "k8s_consul.quorum", {"datacenter": datacenter.name}, TIMEOUT) for server in servers
    ]
    answers: list[Answer] = yield calls
    looks = {answer.server: answer.value for answer in answers if answer.ok}
    silent = {answer.server: answer.error for answer in answers if not answer.ok}
    return restarts.order(looks, everyone), restarts.refusals(looks, silent)


def restart(datacenter: Datacenter, everyone: bool) -> Task:
    """Restart the Consul servers of a datacenter one after another; return which, and why it went no further.

    Before each, all are looked at: nothing that was seen before another one's restart decides.
    """
    now, said = yield from restart_plan(datacenter, everyone)
    wanted = now
    done: list[str] = []
    while not said and (left := [server for server in now if server in wanted and server not in done]):
        arguments = {"datacenter": datacenter.name, "within": RESTART}
        answer: Answer = yield Call(left[0], "k8s_consul.restart", arguments, RESTART + TIMEOUT)
        if not answer.ok:
            return done, [f"{left[0]}: {answer.error}"]
        done.append(left[0])
        if left[1:]:
            now, said = yield from restart_plan(datacenter, everyone)
    return done, said


def _look_at_gossip(datacenters: Datacenters) -> Task:
    calls = [
        Call(server, "k8s_consul.gossip", {"datacenter": name}, TIMEOUT)
        for name, datacenter in datacenters.usable.items()
        for server in (datacenter.consul.servers if datacenter.consul else ())
    ]
    answers: list[Answer] = yield calls
    looks = {answer.server: answer.value for answer in answers if answer.ok}
    return looks, {answer.server: answer.error for answer in answers if not answer.ok}


def _served(datacenters: Datacenters, clusters: Catalogue, server: str) -> Task:
    """Give a server what it waits for; return why the agent of Consul has to be served again."""
    failed = yield from _admit(datacenters, clusters, server)
    yield from metrics_access.relay(datacenters, clusters, server)
    return failed


def _admit(datacenters: Datacenters, clusters: Catalogue, server: str) -> Task:
    """Have the credentials of a server made, and hand them over; return why it has to be tried again."""
    waiting: Answer = yield Call(server, "k8s_consul.waiting", {}, TIMEOUT)
    if not (waiting.ok and waiting.value):
        log.info("%s waits for nothing of Consul: %s", server, waiting.error or "it says so itself")
        return ""
    place = datacenters.place(server)
    if place is None or place.datacenter.consul is None:
        log.warning(
            "%s asks for Consul, and is refused: no datacenter in %s with Consul names it",
            server,
            datacenters.directory,
        )
        return ""
    minted = yield from _mint(place, _membership(clusters, server), server, waiting.value)
    if not minted.ok:
        return f"no Consul server makes its token: {minted.error}"
    accepted: Answer = yield Call(server, "k8s_consul.accept", {"box": minted.value}, TIMEOUT)
    if not accepted.ok:
        return f"it does not take its credentials: {accepted.error}"
    log.info("%s has its credentials for Consul in %s", server, place.datacenter.name)
    return ""


def _mint(place: Place, membership: Membership | None, server: str, public: str) -> Task:
    datacenter = place.datacenter
    arguments = {
        "server": server,
        "datacenter": datacenter.name,
        "services": service_names(datacenter, server, membership),
        "public": public,
        "cluster": writes_for(datacenter, membership),
    }
    servers = datacenter.consul.servers if datacenter.consul else {}
    answer = yield from through_any(servers, "k8s_consul.mint", arguments)
    return answer


def _membership(clusters: Catalogue, server: str) -> Membership | None:
    place = clusters.assignment(server)
    if place is None:
        return None
    return Membership(place.cluster, clusters.specs[place.cluster].environment, place.role, place.pool)


def _forgotten(datacenters: Datacenters, server: str) -> Task:
    found, errors = yield from forget(datacenters, server)
    if any(found.values()):
        log.info("%s is gone and forgotten in Consul: %s", server, found)
    return "; ".join(f"{name}: {error}" for name, error in errors.items())
