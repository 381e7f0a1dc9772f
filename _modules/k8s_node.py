"""A server that asks to become a node: what it asks, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from k8s_lifecycle.decision.joining import operator_only
from k8s_lifecycle.failures import told
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.server import kubernetes_files, processes
from k8s_lifecycle.server.asking import Asking

EVENT = "k8s/join/ask"
SCHEDULE = "k8s_join"
OUTCOMES = ("accepted", "refused", "failed", "joined")

__virtualname__ = "k8s_node"
__salt__: Any
__grains__: Mapping[str, Any]
__opts__: Mapping[str, Any]
__pillar__: Mapping[str, Any]


def standing() -> dict[str, Any]:
    """Return where this server stands between bare and node. Changes nothing.

    Returns a mapping:

    node
        Whether it has the credentials of a node.
    asks
        Whether it has to ask for its join, or for the end of it where that was cut off.
    reason
        Why a server that is no node does not ask; otherwise empty.
    kubeadm
        The one that runs now, as in ``k8s_server.facts``; None where none does.
    answer
        What the master said since it last asked: outcome and reason (``k8s_node.tell``), failed (why the last
        attempt did, or empty), and at (when, in seconds since the epoch). None where it has said nothing.

    Raises InvalidSpecError if the code on this server cannot use the spec in the pillar.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-3 k8s_node.standing
    """
    node = kubernetes_files.look()["kubelet_conf"]
    reason = "" if node else _reason_not_to_ask(__pillar__.get("k8s", {}))
    return {
        "node": node,
        "asks": _asking().asks if node else not reason,
        "reason": reason,
        "kubeadm": processes.kubeadm(),
        "answer": _asking().answer,
    }


def ask(now: bool = False) -> bool:
    """Ask the master to let this server join its cluster, by the event ``k8s/join/ask``.

    It does not when the pause since it last asked is not over, nor when there is nothing to ask for any more:
    then the schedule that repeats this function ends. Pauses double, from 60 s to 900 s.

    now
        True: do not mind the pause. Default: False.

    Returns whether it asked: False also where the event could not be sent.

    Raises an error if the code on this server cannot use the spec in the pillar.

    CLI Example:

    .. code-block:: bash

        salt-call k8s_node.ask now=True
    """
    with told("asking to join"):
        if not standing()["asks"]:
            _stop()
            return False
        asking = _asking()
        if not (now or asking.due):
            return False
        asking.note_ask()
        return bool(__salt__["event.send"](EVENT))


def waiting(grains: Sequence[str] = ()) -> dict[str, Any] | None:
    """Return the grains of a server that asks to join.

    The master asks this before it acts: an event can be forged, the answer to a job cannot.

    grains
        The names of those that decide, a list. Default: none.

    Returns the values of those that this server has, by name (``grains``); None if it does not ask.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-3 k8s_node.waiting '[k8s_role, k8s_pool]'
    """
    if not _asking().asks:
        return None
    return {"grains": {name: __grains__[name] for name in grains if name in __grains__}}


def tell(outcome: str, reason: str) -> bool:
    """Keep the master's answer for the state that waits for it. A server that does not ask keeps none.

    outcome
        ``accepted``: the join follows. ``refused``: no spec allows it. ``failed``: the join was tried.
        ``joined``: there is nothing to ask for any more, and the schedule that asks ends.
    reason
        Why, for people.

    Returns True.

    Raises an error if ``outcome`` is none of these.

    CLI Example:

    .. code-block:: bash

        salt dc1-w-3 k8s_node.tell refused 'no pool allows this id'
    """
    with told("keeping the master's answer"):
        if outcome not in OUTCOMES:
            raise ValueError(f"outcome {outcome!r} is none of {', '.join(OUTCOMES)}")
        if outcome == "joined":
            _stop()
        elif _asking().asks:
            _asking().note_answer(outcome, reason)
    return True


def _asking() -> Asking:
    return Asking(Path(__opts__["root_dir"], "var/lib/k8s-lifecycle"))


def _reason_not_to_ask(place: Mapping[str, Any]) -> str:
    """A server that claims a role asks without a place, too: the refusal tells it why it has none."""
    if "problems" in place:
        return f"the spec of its cluster cannot be used: {place['problems'][0]}"
    if "spec" not in place:
        return "" if "k8s_role" in __grains__ else "no cluster's spec names it, and it claims no role"
    spec = specs.from_dict(place["spec"])
    return operator_only(spec, specs.Assignment(spec.name, place["role"], place["pool"]))


def _stop() -> None:
    _asking().forget()
    if SCHEDULE in __salt__["schedule.list"](return_yaml=False):
        __salt__["schedule.delete"](SCHEDULE)
