"""etcd's members, asked through the member on this control plane server."""

from __future__ import annotations

from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle import failures, fencing
from k8s_lifecycle.cluster.etcd import Etcd

__virtualname__ = "k8s_etcd"


def members() -> dict[str, Any]:
    """Return the members of etcd and the health of each.

    Returns ``members``, each with name (empty if it never started), id (hexadecimal), learner, leader,
    healthy (it answers, and follows a leader), peer_urls and client_urls; and ``quorum``: whether a quorum
    stands behind the list. Without one it is what the member on this server remembers.

    Raises an error if the member on this server does not answer.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_etcd.members
    """
    with failures.told("asking etcd for its members"):
        return Etcd().membership().to_dict()


def remove_member(fence: int, name: str, member_id: str) -> dict[str, bool]:
    """Remove a member from etcd. Whether that is safe is the caller's to prove (the quorum proof).

    A removal itself needs a quorum: https://etcd.io/docs/v3.6/op-guide/runtime-configuration/

    fence
        The fencing number of the run, a whole number.
    name
        The member's name, as seen before: a member that has this id and another name is not removed. Empty
        for one that never started.
    member_id
        The member's id, hexadecimal.

    Returns whether it was there: ``changed``. A member that is gone already is no error.

    Raises an error if this server has seen a higher fencing number, the member has another name, the member
    on this server does not answer, or etcd refuses.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_etcd.remove_member 7 dc1-cp-2 8e9e05c52164694d
    """
    with failures.told(f"removing etcd member {name} ({member_id})"):
        fencing.admit(fence)
        etcd = Etcd()
        found = next((member for member in etcd.membership().members if member.id == member_id), None)
        if found is None:
            return {"changed": False}
        if found.name != name:
            raise CommandExecutionError(
                f"etcd member {member_id} is called {found.name or '(never started)'}, not {name}: nothing "
                "was removed; look at k8s_etcd.members again"
            )
        etcd.remove(found)
        return {"changed": True}
