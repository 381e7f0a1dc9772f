"""Consul's agent on a server, from its credentials to what it registers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from k8s_lifecycle.cluster import api as apis
from k8s_lifecycle.discovery import acl, admission, files, gossip, quorum, store
from k8s_lifecycle.discovery import cluster as clusters
from k8s_lifecycle.discovery.agent import FORBIDDEN, NO_SERVERS, Agent, AgentError
from k8s_lifecycle.discovery.situation import Situation, situation
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import consul
from k8s_lifecycle.model.spec import InvalidSpecError
from k8s_lifecycle.server import services
from k8s_lifecycle.wording import redacted

EVENT = "k8s/consul/ask"

__virtualname__ = "k8s_consul"
__opts__: Mapping[str, Any]
__pillar__: Mapping[str, Any]
__salt__: Any

_ASK_EVERY = 15.0
_POLL = 0.5
_JOINS_WITHIN = 10.0  # an agent that was just started
_ANOTHER_KEY = "with a gossip key of before"
_LOST = "no Consul server lets its agent in"

Changes = dict[str, dict[str, Any]]


def admitted(name: str, assignment: Mapping[str, Any], timeout: float = 90) -> dict[str, Any]:
    """Ensure that this server has the credentials of an agent: its token, the gossip key, the authority.

    A server asks the master by the event ``k8s/consul/ask``, and waits; a Consul server makes its token, and
    the master relays it sealed. A Consul server has its credentials from its pillar ``k8s_secrets``, and
    makes its own token. It asks again where the token is refused or allows other services than the spec has,
    and where its agent finds no Consul server that lets it in: one that was deregistered, or was off while
    the gossip key was changed, has a token or a key that is worth nothing any more. After a change of the
    gossip key that its agent took part in it keeps the one in use.

    It fails if no credentials come in time, or the secrets of a Consul server are missing.

    name
        Anything; shown in the output.
    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.
    timeout
        For how many seconds to wait. Default: 90.

    ``changes`` holds ``credentials`` (old: None or why those there are not good, new: ``given``). An agent
    whose keys nobody uses is stopped; it is started when its files are as they should be.

    .. code-block:: yaml

        k8s-consul-admitted:
          k8s_consul.admitted:
            - assignment: {{ pillar['k8s_datacenter'] | json }}
    """

    def act(here: Situation) -> str:
        known, wrong = store.read(), _wrong_with_credentials(here)
        if known and wrong == _ANOTHER_KEY:
            store.keep(replace(known, gossip_key=gossip.used() or known.gossip_key))
            return ""
        if here.secrets:
            token = known.token if known else store.new_token()
            key = known.gossip_key if known else here.secrets.gossip_key
            own = (known.cluster_token if known else None) or store.new_token()
            store.keep(
                store.Credentials(
                    token,
                    key,
                    here.secrets.authority,
                    here.services,
                    here.cluster,
                    own if here.cluster else None,
                )
            )
            return ""
        admission.request(here.datacenter.name)
        failed = _wait_for_credentials(here, timeout)
        given = store.read()
        if failed:
            admission.withdraw()
        elif given and (wrong == _LOST or gossip.used() not in (None, given.gossip_key)):
            gossip.start_over()
        return failed

    def changes(here: Situation) -> Changes:
        wrong = _wrong_with_credentials(here)
        old = None if store.read() is None else wrong
        return {"credentials": {"old": old, "new": "given"}} if wrong else {}

    return _converged(name, assignment, changes, act, "the agent has its credentials")


def configured(name: str, assignment: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out the configuration of Consul in /etc/consul.d, after ``consul validate`` has found it valid.

    Its files hold secrets, so what changed in them is not told. It fails if Consul does not find it valid.

    name
        Anything; shown in the output.
    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.

    ``changes`` holds each file that differed (old: ``differs``, new: ``as the spec asks for``).

    .. code-block:: yaml

        k8s-consul-configured:
          k8s_consul.configured:
            - assignment: {{ pillar['k8s_datacenter'] | json }}
    """

    def texts(here: Situation) -> dict[str, str]:
        credentials = store.read()
        if credentials is None:
            raise HostError("the agent has no credentials yet")
        return files.wanted(here, credentials)

    def changes(here: Situation) -> Changes:
        if store.read() is None and __opts__["test"]:
            return {files.AGENT: {"old": "absent", "new": "as the spec asks for"}}
        return {
            path: {"old": "differs", "new": "as the spec asks for"} for path in files.differing(texts(here))
        }

    def act(here: Situation) -> str:
        wanted = texts(here)
        files.write(wanted, files.differing(wanted))
        return ""

    return _converged(name, assignment, changes, act, "its files are as the spec asks for")


def acls(name: str, assignment: Mapping[str, Any], timeout: float = 60) -> dict[str, Any]:
    """Set up the ACLs of the datacenter, on any of its Consul servers: who has no token may look up, no more.

    The first leader of Consul makes the management token by itself, of the servers' configuration; so nothing
    here is done once only. The server's own agent gets its token. Clusters whose Services are in Consul may
    write these; what a cluster has written that no longer may is removed. It fails without a leader.
    https://developer.hashicorp.com/consul/docs/secure/acl

    name
        Anything; shown in the output.
    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.
    timeout
        For how many seconds to wait for a leader. Default: 60.

    ``changes`` holds ``catalogue`` (new: ``open to all``) and ``token`` (new: ``made``) if there were none,
    ``clusters`` (old, new: what each may write, by the name of its policy), and ``autopilot`` (old, new:
    settings of Consul's autopilot, which it has in Raft: no Consul server is forgotten for being off).

    .. code-block:: yaml

        k8s-consul-acls:
          k8s_consul.acls:
            - assignment: {{ pillar['k8s_datacenter'] | json }}
    """

    def changes(here: Situation) -> Changes:
        agent = _management(here)
        if not __opts__["test"]:
            agent.wait_until_trusted(timeout)
        try:
            is_open, tokens = acl.catalogue_is_open(agent), _has_tokens(agent, here)
            clusters, autopilot = acl.cluster_policies(agent), quorum.autopilot(agent)
        except AgentError:
            if not __opts__["test"]:
                raise
            is_open, tokens, clusters, autopilot = False, False, {}, {}
        wanted = consul.cluster_policies(here.datacenter)
        return {
            **({} if is_open else {"catalogue": {"old": None, "new": "open to all"}}),
            **({} if clusters == wanted else {"clusters": {"old": clusters, "new": wanted}}),
            **({} if tokens else {"token": {"old": None, "new": "made"}}),
            **({"autopilot": {"old": autopilot, "new": consul.AUTOPILOT}} if autopilot else {}),
        }

    def act(here: Situation) -> str:
        agent = _management(here)
        if not acl.catalogue_is_open(agent):
            acl.open_catalogue(agent)
        acl.set_cluster_policies(agent, consul.cluster_policies(here.datacenter))
        if quorum.autopilot(agent):
            quorum.set_autopilot(agent)
        for token, secret in _own_tokens(here):
            if secret is None:
                raise HostError("the agent has no credentials yet")
            acl.grant(agent, token, secret)
        agent.put("agent/reload")  # else its own agent would find out within half a minute
        return ""

    return _converged(name, assignment, changes, act, "the ACLs are set up")


def registered(name: str, assignment: Mapping[str, Any], timeout: float = 60) -> dict[str, Any]:
    """See that this server and its services are in the catalogue, and nothing else of it.

    It waits, then fails with what is missing. Whether they are well is for the checks to say.

    name
        Anything; shown in the output.
    assignment
        The pillar ``k8s_datacenter``: name, spec, peers.
    timeout
        For how many seconds to wait. Default: 60.

    ``changes`` is always empty. Under test=True it succeeds without a look: the agent may not run yet.

    .. code-block:: yaml

        k8s-consul-registered:
          k8s_consul.registered:
            - assignment: {{ pillar['k8s_datacenter'] | json }}
    """
    if __opts__["test"]:
        return _answer(name, True, "the server is to be in the catalogue")
    try:
        here = situation(assignment, __pillar__, __opts__["id"])
        missing = _wait_for_registration(here, timeout)
    except (HostError, InvalidSpecError) as error:
        return _answer(name, False, redacted(str(error)))
    if missing:
        return _answer(
            name,
            False,
            f"not in the catalogue within {timeout:.0f} s: {missing} — see `journalctl -u consul`",
        )
    return _answer(name, True, f"in the catalogue: {', '.join(here.services)}")


def cluster_registered(name: str, timeout: float = 45) -> dict[str, Any]:
    """See that the Services of this control plane server's cluster are in Consul, and CoreDNS asks it.

    The elected control plane server does both; this waits, then fails with what is not as it is asked for.
    What is for people to put right is in the comment and in the warnings: Services that cannot be in Consul.

    name
        Anything; shown in the output.
    timeout
        For how many seconds to wait. Default: 45.

    ``changes`` is always empty. Under test=True it looks once. Before this server has joined its cluster it
    succeeds.

    .. code-block:: yaml

        k8s-elected-has-done-it:
          k8s_consul.cluster_registered: []
    """
    if not (apis.KUBERNETES_DIRECTORY / "admin.conf").exists():
        return _answer(name, True, "this server has not joined its cluster yet")
    try:
        found = clusters.drift(0 if __opts__["test"] else timeout)
    except (HostError, OSError) as error:
        return _answer(name, False, redacted(str(error)))
    said = f"elected is {found['elected'] or 'nobody'}"
    if found["late"]:
        result = None if __opts__["test"] else False
        late = f"{', '.join(found['late'])} — see `journalctl -u k8s-elected` there"
        return _answer(name, result, f"not as asked for, {said}: {late}") | {"warnings": found["left"]}
    comment = "\n".join([f"as asked for, {said}", *found["left"]])
    return _answer(name, True, comment) | {"warnings": found["left"]}


def _wrong_with_credentials(here: Situation) -> str:
    """Return why the credentials are not good; empty if they are, as far as can be seen."""
    known = store.read()
    if known is None:
        return "none"
    if gossip.used() not in (None, known.gossip_key):
        return _ANOTHER_KEY
    if sorted(known.services) != sorted(here.services) or known.cluster != here.cluster:
        return "for other services"
    if here.secrets:
        return "" if known.authority == here.secrets.authority else "of another authority"
    return _wrong_with_token(known)


def _wrong_with_token(known: store.Credentials) -> str:
    """Return what the agent says of its token; an agent that is down says nothing."""
    deadline = time.monotonic() + _JOINS_WITHIN
    while True:
        try:
            return "" if _may_write(known) else "refused"
        except AgentError as error:
            if error.status == FORBIDDEN:
                return "refused"
            if not _is_lost(error):
                return ""
        if time.monotonic() > deadline:
            return _LOST
        time.sleep(_POLL)


def _is_lost(error: AgentError) -> bool:
    """Whether the agent runs, and has found no Consul server that lets it in.

    With a token that is worth nothing it gets no certificate, and does not even answer: it is still starting.
    """
    if error.status is None:
        return quorum.UNIT in services.active(quorum.UNIT)
    return NO_SERVERS in str(error)


def _may_write(known: store.Credentials) -> bool:
    Agent(known.token).get("acl/token/self")
    if known.cluster_token is None:
        return True
    # A cluster that was taken out of the file, and put in again, has another policy of the same name.
    return bool(Agent(known.cluster_token).get("acl/token/self").get("Policies"))


def _wait_for_credentials(here: Situation, timeout: float) -> str:
    """Ask until the box has come; return what is wrong if it has not."""
    deadline = time.monotonic() + timeout
    asked = float("-inf")
    while time.monotonic() < deadline:
        if not admission.pending():  # a box has come, and was opened or not
            return (
                "" if store.read() else "the box that came did not open: see the minion's log; run this again"
            )
        if time.monotonic() - asked > _ASK_EVERY:
            if not __salt__["event.send"](EVENT):
                return "the event that asks could not be sent: see the minion's log"
            asked = time.monotonic()
        time.sleep(_POLL)
    return (
        f"no credentials within {timeout:.0f} s — does a Consul server of {here.datacenter.name} run, and "
        "has the master the engine k8s_consul and reactor/consul.sls? Its log says more. Then run this again"
    )


def _wait_for_registration(here: Situation, timeout: float) -> str:
    deadline = time.monotonic() + timeout
    while True:
        missing = _not_registered(here)
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(_POLL)


def _not_registered(here: Situation) -> str:
    wanted = {*here.services, *(("consul",) if here.secrets else ())}
    try:
        found = Agent().get(f"catalog/node/{here.server}")
    except AgentError as error:
        return str(error)
    if not found:
        return f"the node {here.server}"
    services = set(found["Services"])
    said = [*sorted(wanted - services), *(f"{name} is there and should not" for name in services - wanted)]
    return ", ".join(said)


def _management(here: Situation) -> Agent:
    if here.secrets is None:
        raise HostError("this is no Consul server")
    return Agent(here.secrets.management_token)


def _own_tokens(here: Situation) -> list[tuple[dict[str, Any], str | None]]:
    """Return the tokens of a Consul server's own agent, with the secret of each."""
    known, name = store.read(), here.datacenter.name
    tokens = [(consul.token(name, here.server, here.services), known.token if known else None)]
    if here.cluster:
        token = consul.cluster_token(name, here.server, here.cluster)
        tokens.append((token, known.cluster_token if known else None))
    return tokens


def _has_tokens(agent: Agent, here: Situation) -> bool:
    """Whether the tokens are there, with their secrets, and allow what they are to and no more."""
    for wanted, secret in _own_tokens(here):
        token = agent.find(f"acl/token/{wanted['AccessorID']}")
        if not (token and token["SecretID"] == secret and acl.grants(token, wanted)):
            return False
    return True


def _converged(
    name: str,
    assignment: Mapping[str, Any],
    differences: Callable[[Situation], Changes],
    act: Callable[[Situation], str],
    settled: str,
) -> dict[str, Any]:
    """Read, compare, act, and read again."""
    try:
        here = situation(assignment, __pillar__, __opts__["id"])
        before = differences(here)
        if not before:
            return _answer(name, True, settled)
        if __opts__["test"]:
            return _answer(name, None, f"would change: {', '.join(before)}", before)
        failed = act(here)
        left = differences(here)
    except (HostError, InvalidSpecError, OSError, RuntimeError) as error:
        return _answer(name, False, redacted(str(error)))
    done = {what: change for what, change in before.items() if what not in left}
    if failed or left:
        return _answer(name, False, failed or f"still not as it should be: {', '.join(left)}", done)
    return _answer(name, True, settled, done)


def _answer(name: str, result: bool | None, comment: str, changes: Changes | None = None) -> dict[str, Any]:
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
