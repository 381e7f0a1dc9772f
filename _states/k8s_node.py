"""What becomes of a node: a new server joins its cluster by itself; a node is emptied of its pods."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from salt.exceptions import CommandExecutionError

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
        if look is None or look["forbidden"]:
            missing = f"The cluster has no node {name}"
            return _result(name, False, _told("In the way", look["forbidden"]) if look else missing)
        if _is_drained(look):
            return _result(name, True, f"Node {name} is drained: held by {look['hold']['who']}")
        changes = _drain_changes(name, look, reason)
        if __opts__["test"]:
            return _result(name, None, f"{len(look['goes'])} pods would go", changes)
        left = _drain(name, reason, timeout, hours, options)
    except CommandExecutionError as error:
        return _result(name, False, str(error))
    if left:
        return _result(name, False, f"Not empty after {timeout} s, and given back: {left}")
    after = __salt__["k8s_drain.look"]([name], options)[name]
    return _result(name, _is_drained(after), f"{len(look['goes'])} pods went", changes)


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


def _is_drained(look: Mapping[str, Any]) -> bool:
    hold = look["hold"]
    kept = hold is not None and hold["operation"] == "drain" and not hold["run"]
    return kept and not (look["goes"] or look["attachments"])


def _drain_changes(name: str, look: Mapping[str, Any], reason: str) -> dict[str, Any]:
    pods = {pod["pod"]: {"old": f"on {name}", "new": pod["why"]} for pod in look["goes"]}
    return {**pods, "hold": {"old": look["hold"], "new": f"drain: {reason}"}}


def _drain(name: str, reason: str, timeout: float, hours: float, options: Any) -> str:
    """Hold a node and empty it; return what was left when the time was up."""
    run = f"{__opts__['id']}-{secrets.token_hex(4)}"
    deadline = time.monotonic() + timeout
    owner = {"operation": "drain", "run": run, "who": f"state on {__opts__['id']}", "reason": reason}
    __salt__["k8s_hold.take"](name, owner, timeout + _SLACK)
    try:
        while True:
            seconds = min(_ROUND, max(1.0, deadline - time.monotonic()))
            said = __salt__["k8s_drain.evict"](name, run, options, seconds)
            left = [*said["never"], *said["left"]]
            if not (left or said["attachments"]):
                __salt__["k8s_hold.keep"](name, run, hours * 3600)
                return ""
            if said["never"] or time.monotonic() > deadline:
                return _told("pods", left) + _told("; volumes", said["attachments"])
    finally:
        __salt__["k8s_hold.give_back"](run, [name])


def _told(what: str, said: Any) -> str:
    """Return a list of pods or volumes in words; empty where there is none."""
    texts = [f"{one['pod']} ({one['why']})" if isinstance(one, Mapping) else one for one in said]
    return f"{what}: {', '.join(texts)}" if texts else ""


def _result(
    name: str, result: bool | None, comment: str, changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
