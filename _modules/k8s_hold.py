"""The holds of nodes: who keeps a node out of service, changed through this control plane server.

A hold is the annotation ``k8s-lifecycle/hold`` of a Node object; it is written together with the cordon, as
one compare-and-set.
"""

from __future__ import annotations

from typing import Any

from k8s_lifecycle import failures
from k8s_lifecycle.cluster import holds
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.model.hold import Hold, moment

__virtualname__ = "k8s_hold"


def take(node: str, hold: dict[str, str], seconds: float, dead: list[str] | None = None) -> dict[str, Any]:
    """Take the hold of a node, or renew it, and cordon the node.

    The hold of a run of the same operation that was cut off or whose hold has expired is taken over: whether
    the node was cordoned is remembered from before that.

    node
        The node's name.
    hold
        A mapping: the ``operation`` that takes it, such as ``drain``, or ``hold`` for a person's; the id of
        the ``run`` that works under it, empty where none does and it is kept until it is given back; ``who``
        that is, and where; and the ``reason``, for people.
    seconds
        For how many seconds it counts. After that it may be taken over; the node stays cordoned.
    dead
        The ids of runs that are known to have been cut off, a list. Default: none.

    Returns the hold: operation, run, who, reason, since, until (times in UTC, as ``2026-01-31T12:00:00Z``),
    and was_cordoned.

    Raises an error that names the hold if another one has the node, if there is no such node, others changed
    it ten times while it was written, or the API server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_hold.take dc1-w-1 \
            '{"operation": "hold", "run": "", "who": "ann@master", "reason": "a new disk"}' 3600
    """
    with failures.told(f"taking the hold of node {node}"):
        owner = hold["operation"], hold["run"], hold["who"]
        wanted = Hold(*owner, hold["reason"], moment(), moment(seconds))
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


def release(node: str, dead: list[str] | None = None, force: bool = False) -> dict[str, Any]:
    """Give back the hold of a node for a person, the node as it was before: one that was cordoned stays so.

    node
        The node's name.
    dead
        The ids of runs that are known to have been cut off, a list. Default: none.
    force
        True: also under a run that works on the node. Default: False.

    Returns the hold that there was (``hold``, as in ``k8s_hold.take``), None where there was none.

    Raises an error that names the hold if a run works under it, if there is no such node, others changed it
    ten times while it was written, or the API server on this server does not answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_hold.release dc1-w-1
    """
    with failures.told(f"releasing node {node}"):
        found = holds.release(Api.local(), node, dead or (), force=force)
        return {"hold": found.to_dict() if found else None}


def uncordon(node: str, dead: list[str] | None = None) -> dict[str, bool]:
    """Open a node for pods: one that a drain has kept, or that nobody holds.

    node
        The node's name.
    dead
        The ids of runs that are known to have been cut off, a list. Default: none.

    Returns whether that changed it: ``changed``.

    Raises an error that names the hold if another operation has it or a run works under it, if there is no
    such node, others changed it ten times while it was written, or the API server on this server does not
    answer or refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_hold.uncordon dc1-w-1
    """
    with failures.told(f"uncordoning node {node}"):
        return {"changed": holds.uncordon(Api.local(), node, dead or ())}
