"""The lock of a cluster, as one control plane server keeps it: in a file of its own, and in its API."""

from __future__ import annotations

from typing import Any

from salt.exceptions import CommandExecutionError

from k8s_lifecycle import failures, fencing
from k8s_lifecycle.cluster import lease
from k8s_lifecycle.cluster.api import Api, KubernetesError
from k8s_lifecycle.server import lock_file
from k8s_lifecycle.server.lock_file import Lock, Moment

API_TIMEOUT = 5.0

__virtualname__ = "k8s_lock"


def held() -> dict[str, Any] | None:
    """Return the lock that counts on this server now, whichever cluster's it is. Changes nothing.

    Returns cluster, holder, fence and seconds_left; None where there is none, or it has expired.

    Raises ValueError if the file of a lock is damaged.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_lock.held
    """
    now = Moment.now()
    lock = lock_file.held(now=now)
    return lock.to_dict(now) if lock else None


def acquire(cluster: str, holder: str, fence: int, ttl: int) -> dict[str, Any]:
    """Take or renew the lock of a cluster on this server, and in the cluster's API where that answers.

    In the API it is the Lease ``kube-system/k8s-lifecycle``.
    https://kubernetes.io/docs/concepts/architecture/leases/

    cluster
        The cluster's name.
    holder
        Who takes it: the operation, the run's id, who started it and where. Who has the same words renews.
    fence
        The fencing number of the run, a whole number. Once it has the lock, this server refuses every lower
        number: https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
    ttl
        For how many seconds, unless renewed: a whole number.

    Returns who has the lock now: on this server (``server``: cluster, holder, fence, seconds_left), in the
    API (``lease``: holder, fence, seconds_left), and whether all of it is this run's (``mine``). ``lease`` is
    None where the API does not answer or refuses, and where another run has the server's. ``server`` is None
    where another run has the lease: this server's is given back then.

    Raises an error if a run with a higher fencing number was here; the lock is given back then. Raises
    ValueError if the file of a lock or of the fencing number is damaged.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_lock.acquire dc1-prod 'provision 42 by ann@master' 7 120
    """
    wanted = Lock(cluster, holder, fence, ttl, Moment.now())
    on_server = lock_file.acquire(wanted)
    if not _same(on_server, wanted):
        return _answer(on_server, None, wanted)
    in_api = _lease(holder, fence, ttl)
    if in_api and in_api.holder != holder:
        lock_file.release(cluster, holder)
        return _answer(None, in_api, wanted)
    try:
        fencing.admit(fence)  # only now: a run that did not get the lock must not fence off who has it
    except fencing.SupersededError as error:
        release(cluster, holder)
        raise CommandExecutionError(str(error)) from error
    return _answer(on_server, in_api, wanted)


def admit(fence: int) -> None:
    """Let a run go ahead on this server that has the highest fencing number so far.

    The SLS that a run applies begin with it: a state run may have waited for others in a queue meanwhile.

    fence
        The fencing number of the run, a whole number. From now on every lower one is refused.

    Returns None.

    Raises an error if a run with a higher fencing number was here.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_lock.admit 7
    """
    with failures.told("beginning a state run"):
        fencing.admit(fence)


def release(cluster: str, holder: str) -> dict[str, bool | None]:
    """Give the lock back, on this server and in the cluster's API, wherever this holder has it.

    cluster
        The cluster's name.
    holder
        Who took it, in the words in which it was taken.

    Returns where it was given back: ``server`` and ``lease``, each True or False; ``lease`` is None where the
    API does not answer or refuses: that one expires by itself.

    Raises ValueError if the file of the lock is damaged.

    CLI Example:

    .. code-block:: bash

        salt dc1-cp-1 k8s_lock.release dc1-prod 'provision 42 by ann@master'
    """
    in_api: bool | None
    try:
        in_api = lease.release(Api.local(timeout=API_TIMEOUT), holder)
    except KubernetesError:
        in_api = None
    return {"server": lock_file.release(cluster, holder), "lease": in_api}


def _same(one: Lock, other: Lock) -> bool:
    return (one.cluster, one.holder) == (other.cluster, other.holder)


def _answer(on_server: Lock | None, in_api: lease.Claim | None, wanted: Lock) -> dict[str, Any]:
    return {
        "server": on_server.to_dict(Moment.now()) if on_server else None,
        "lease": in_api.to_dict() if in_api else None,
        "mine": bool(on_server and _same(on_server, wanted))
        and (in_api is None or in_api.holder == wanted.holder),
    }


def _lease(holder: str, fence: int, ttl: int) -> lease.Claim | None:
    try:
        return lease.acquire(Api.local(timeout=API_TIMEOUT), holder, fence, ttl)
    except KubernetesError:  # before there is a cluster, or its API is down: the servers' own locks count
        return None
