"""A new server becomes a node of its cluster without anybody typing anything."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

__virtualname__ = "k8s_node"
__salt__: Any
__opts__: Mapping[str, Any]

_POLL = 0.5


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


def _result(
    name: str, result: bool | None, comment: str, changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
