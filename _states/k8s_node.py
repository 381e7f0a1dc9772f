"""What becomes of a node: a new server joins its cluster by itself; a node is emptied of its pods."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle.model.hold import DRAIN, Hold, keeps, moment

__virtualname__ = "k8s_node"
__salt__: Any
__opts__: Mapping[str, Any]

_POLL = 0.5
_ROUND = 15.0
_SLACK = 120.0  # for how much longer than a drain its hold counts


def joined(name: str, timeout: float = 30) -> dict[str, Any]:
    """Ensure that this server is a node of its cluster, or has asked to become one and is allowed to.

    The join itself follows when the state run that asks has ended: it begins with a state run of its own, and
    two exclude each other. So this never waits for the join, only for the master's answer.

    It also succeeds, and asks nothing, while kubeadm is running and on a server that does not join by itself.
    It fails if the master refuses or does not answer, or the event that asks cannot be sent.

    name
        Anything; shown in the output.
    timeout
        For how many seconds to wait for the answer. Default: 30.

    ``changes`` holds ``node`` (old None, new ``asks to join its cluster``) if it asked, whatever the answer.

    .. code-block:: yaml

        k8s-joined:
          k8s_node.joined
    """
    standing = __salt__["k8s_node.standing"]()
    if settled := _nothing_to_ask(standing):
        return _result(name, True, settled)
    changes = {"node": {"old": None, "new": "asks to join its cluster"}}
    if __opts__["test"]:
        return _result(name, None, "It would ask to join its cluster", changes)
    if not __salt__["k8s_node.ask"](now=True):
        return _result(name, False, "The event that asks could not be sent: see the minion's log")
    answer = _wait_for_answer(timeout)
    if answer is None:
        comment = f"No answer within {timeout} s: has the master the engine k8s_joins and reactor/join.sls?"
        return _result(name, False, comment, changes)
    if answer["outcome"] == "refused":
        return _result(name, False, f"The master refuses: {answer['reason']}", changes)
    before = f"; the last attempt failed: {answer['failed']}" if answer["failed"] else ""
    return _result(name, True, f"The join follows: {answer['reason']}{before}", changes)


def drained(
    name: str,
    *,
    reason: str = "maintenance",
    timeout: float = 600,
    hours: float = 24,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Ensure that a node has no pods but static ones and those of DaemonSets, and is held so.

    It runs on a control plane server, for any node of its cluster. The runner's ``k8s.drain`` does the same
    for several nodes, with the cluster's lock and through whichever control plane is there. A node that is
    not empty in time is given back as it was. It fails if a pod would be lost that the options do not name,
    if somebody else holds the node, or if it is not empty in time.

    name
        The node's name.
    reason
        Why, for people. Default: ``maintenance``.
    timeout
        For how many seconds to try. Default: 600.
    hours
        For how long the node is kept held then. Default: 24.
    options
        A mapping, as in ``k8s_drain.evict``: those of ``kubectl drain``. Default: none.

    ``changes`` holds each pod that went (old: on the node, new: why it goes) and ``hold`` (old and new).

    .. code-block:: yaml

        dc1-w-1:
          k8s_node.drained:
            - reason: a new disk
            - options:
                delete_emptydir_data: True
    """
    try:
        look = __salt__["k8s_drain.look"]([name], options)[name]
        if refusal := _refusal(name, look):
            return _result(name, False, refusal)
        if _is_drained(look):
            return _result(name, True, f"Node {name} is drained: held by {look['hold']['who']}")
        if __opts__["test"]:
            return _result(
                name, None, f"{len(look['goes'])} pods would go", _drained(name, look, None, reason)
            )
        until = moment(timeout + _SLACK)
        owner = DRAIN, _run_id(name), f"a state on {__opts__['id']}"
        hold = Hold(*owner, reason, moment(), until, volumes=tuple(look["volumes"]))
        failed = _drain(name, hold, timeout, hours, options)
        after = __salt__["k8s_drain.look"]([name], options)[name]
    except CommandExecutionError as error:
        return _result(name, False, str(error))
    changes = _drained(name, look, after, reason)
    return _result(name, not failed and _is_drained(after), failed or f"Node {name} is drained", changes)


def _nothing_to_ask(standing: Mapping[str, Any]) -> str:
    """Return why there is nothing to ask for; empty if there is."""
    if standing["node"]:
        return "This server is a node"
    if standing["kubeadm"]:
        return f"kubeadm {standing['kubeadm']['verb']} is running here (pid {standing['kubeadm']['pid']})"
    return "" if standing["asks"] else f"This server does not join by itself: {standing['reason']}"


def _wait_for_answer(timeout: float) -> dict[str, Any] | None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        answer: dict[str, Any] | None = __salt__["k8s_node.standing"]()["answer"]
        if answer:
            return answer
        time.sleep(_POLL)
    return None


def _refusal(name: str, look: Mapping[str, Any] | None) -> str:
    """Return why a node must not be drained; empty if it may be."""
    if look is None:
        return f"The cluster has no node {name}"
    hold = look["hold"]
    if hold and (hold["operation"] != DRAIN or hold["run"] not in ("", _run_id(name))):
        return f"Node {name} is held by {Hold.from_dict(hold)}"
    return _told("In the way", look["forbidden"])


def _run_id(name: str) -> str:
    """Return the id under which this minion drains a node: the next state run goes on with it."""
    return f"state-{__opts__['id']}-{name}"


def _is_drained(look: Mapping[str, Any]) -> bool:
    hold = Hold.from_dict(look["hold"]) if look["hold"] else None
    kept = keeps(hold, cordoned=look["cordoned"], operation=DRAIN, now=datetime.now(UTC))
    return kept and not (look["goes"] or look["attachments"])


def _drained(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any] | None, reason: str
) -> dict[str, Any]:
    """Return what was changed, or, with no look afterwards, what would be."""
    left = {pod["pod"] for pod in after["goes"]} if after else set()
    gone = [pod for pod in before["goes"] if pod["pod"] not in left]
    pods = {pod["pod"]: {"old": f"on {name}", "new": pod["why"]} for pod in gone}
    held = after["hold"] if after else f"{DRAIN}: {reason}"
    return pods if held == before["hold"] else {**pods, "hold": {"old": before["hold"], "new": held}}


def _drain(name: str, hold: Hold, timeout: float, hours: float, options: Any) -> str:
    """Hold a node and empty it; return what went wrong, empty if nothing did."""
    deadline = time.monotonic() + timeout
    try:
        __salt__["k8s_hold.take"](name, hold.to_dict())
        while True:
            seconds = min(_ROUND, max(1.0, deadline - time.monotonic()))
            said = __salt__["k8s_drain.evict"](name, hold.run, options, seconds)
            left = [*said["never"], *said["left"], *said["attachments"]]
            if said["lost"]:
                return f"Node {name}: {said['lost']}"
            if not left:
                __salt__["k8s_hold.keep"](name, hold.run, hours * 3600)
                return ""
            if said["never"] or time.monotonic() > deadline:
                return _told("Not empty", left)
    finally:
        __salt__["k8s_hold.give_back"](hold.run, [name])


def _told(what: str, said: Any) -> str:
    """Return a list of pods or volumes in words; empty where there is none."""
    texts = [f"{one['pod']} ({one['why']})" if isinstance(one, Mapping) else one for one in said]
    return f"{what}: {', '.join(texts)}" if texts else ""


def _result(
    name: str, result: bool | None, comment: str, changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
