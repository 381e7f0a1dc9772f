"""The holds of nodes: who keeps a node out of service, changed through this control plane server.

A hold is the annotation ``k8s-lifecycle/hold`` of a Node object; it is written together with the cordon, as
one compare-and-set.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle import failures
from k8s_lifecycle.cluster import holds
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.model.hold import Hold, moment

__virtualname__ = "k8s_hold"

_LATEST = 120


def take(node: str, hold: dict[str, Any], dead: list[str] | None = None) -> dict[str, Any]:
    """Take the hold of a node, or renew it, and cordon the node.

    The hold of a run of the same operation that was cut off or whose hold has expired is taken over: whether
    the node was cordoned is remembered from before that.

    node
        The node's name.
    hold
        A mapping: the ``operation`` that takes it, such as ``drain``, or ``hold`` for a person's; the id of
        the ``run`` that works under it, empty where none does and it is kept until it is given back; ``who``
        that is, and where; the ``reason``, for people; ``since``, the time of this call, and ``until`` when
        it counts, in UTC as ``2026-01-31T12:00:00Z``: after that it may be taken over, and the node stays
        cordoned; and ``volumes``, the PersistentVolumes to be detached from the node, a list of names.
    dead
        The ids of runs that are known to have been cut off, a list. Default: none.

    Returns the hold that the node has then, with ``was_cordoned``: whether it was cordoned before.

    Raises an error that names the hold if another one has the node, if there is no such node, the call is
    more than 120 seconds old (a minion that was stuck must not hold a node for a run that is over), others
    changed the node ten times while it was written, or the API server on this server does not answer or
    refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_hold.take dc1-w-1 \
            '{"operation": "hold", "run": "", "who": "ann@master", "reason": "a new disk",
              "since": "2026-01-31T12:00:00Z", "until": "2026-01-31T18:00:00Z"}'
    """
    with failures.told(f"taking the hold of node {node}"):
        wanted = Hold.from_dict(hold)
        if moment() > moment(_LATEST, datetime.fromisoformat(wanted.since)):
            raise CommandExecutionError(f"this call is of {wanted.since}, too long ago: nothing was done")
        return holds.take(Api.local(), node, wanted, dead or ()).to_dict()


def keep(node: str, run: str, seconds: float) -> dict[str, bool]:
    """Let a node stay held, and cordoned, though the run that held it is done with it.

    node
        The node's name.
    run
        The id of the run.
    seconds
        For how many seconds more it counts.

    Returns whether it is kept: ``kept``; False where it is not the run's.

    Raises an error if there is no such node, others changed it ten times while it was written, or the API
    server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_hold.keep dc1-w-1 20260131T120000Z-1a2b3c 86400
    """
    with failures.told(f"keeping the hold of node {node}"):
        return {"kept": holds.keep(Api.local(), node, run, seconds)}


def give_back(run: str, nodes: list[str] | None = None) -> dict[str, list[str]]:
    """Give back the holds of a run, each node as it was before: one that was cordoned stays so.

    A node that cannot be reached stays held, by nobody's run: what runs there is not known.

    run
        The id of the run.
    nodes
        Which nodes, a list of names. Default: all that the run holds.

    Returns the names of the nodes: those that were given back (``changed``) and those that stay held since
    they cannot be reached (``left``).

    Raises an error if others changed a node ten times while it was written, or the API server on this server
    does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_hold.give_back 20260131T120000Z-1a2b3c
    """
    with failures.told(f"giving back the holds of run {run}"):
        return holds.give_back(Api.local(), run, nodes)


def release(
    node: str, hold: dict[str, Any], dead: list[str] | None = None, force: bool = False
) -> dict[str, bool]:
    """Give back the hold of a node for a person, the node as it was before: one that was cordoned stays so.

    node
        The node's name.
    hold
        The hold, as ``k8s_api.cluster_view`` shows it: another one is not given back.
    dead
        The ids of runs that are known to have been cut off, a list. Default: none.
    force
        True: also under a run that works on the node. Default: False.

    Returns whether it was given back: ``changed``; False where nobody holds the node any more.

    Raises an error that names the hold if it is another one, or a run works under it, if there is no such
    node, others changed it ten times while it was written, or the API server on this server does not answer
    or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_hold.release dc1-w-1 '{"operation": "hold", ...}'
    """
    with failures.told(f"releasing node {node}"):
        seen = Hold.from_dict(hold)
        return {"changed": holds.release(Api.local(), node, seen, dead or (), force=force)}


def uncordon(node: str, hold: dict[str, Any] | None = None, dead: list[str] | None = None) -> dict[str, bool]:
    """Open a node for pods: one that a drain has kept, or that nobody holds.

    node
        The node's name.
    hold
        The drain's hold, as ``k8s_api.cluster_view`` shows it. Default: none, nobody holds the node.
    dead
        The ids of runs that are known to have been cut off, a list. Default: none.

    Returns whether that changed it: ``changed``.

    Raises an error that names the hold if it is another one, another operation's, or a run works under it, if
    there is no such node, others changed it ten times while it was written, or the API server on this server
    does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_hold.uncordon dc1-w-1
    """
    with failures.told(f"uncordoning node {node}"):
        seen = Hold.from_dict(hold) if hold else None
        return {"changed": holds.uncordon(Api.local(), node, seen, dead or ())}
