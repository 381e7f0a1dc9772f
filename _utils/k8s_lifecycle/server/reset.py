"""Reset a server: `kubeadm reset`, and what that leaves behind.

Without its phase remove-etcd-member: members are removed through a healthy member behind the quorum proof,
and kubeadm wipes the data also where it could not remove the member, by which a cluster of two is lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from k8s_lifecycle.cluster.etcd import Etcd, EtcdError
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.server import endpoint, kubeadm_unit, network_leftovers, remains
from k8s_lifecycle.server.initialise import ETCD_DATA

# The CA goes last, and kubeadm is not to touch it: it tells whose the etcd data is that a reset leaves which
# is cut off half-way.
NO_CERTIFICATES = kubeadm_unit.INPUT / "none"
LEFTOVERS = (
    ETCD_DATA.parent,
    Path("/etc/cni/net.d"),
    Path("/run/flannel"),
    Path("/var/lib/cni"),
    remains.ROOT / "pki",
)


def reset(*, not_voting: bool, timeout: float) -> list[str]:
    """Reset the server; return what was there and is gone.

    not_voting: who calls has just seen through a healthy member that this server does not vote in etcd.
    """
    kubeadm_unit.refuse_if_running()
    refuse_voter(not_voting=not_voting)
    carried = endpoint.remove()  # first of all: a bare server is not reset again
    flags = [
        "--force",
        "--skip-phases=remove-etcd-member",
        f"--cert-dir={NO_CERTIFICATES}",
        f"--cri-socket={kubeadm_unit.CRI_SOCKET}",
    ]
    kubeadm_unit.run(["reset", *flags], [], timeout)
    return ["reset", *carried, *_emptied(), *network_leftovers.remove()]


def refuse_voter(*, not_voting: bool) -> None:
    """Raise `HostError` unless it is known that etcd does not count on the data of this server."""
    if not ETCD_DATA.exists():
        return
    etcd = Etcd(remains.ROOT / "pki/etcd")
    try:
        membership, own = etcd.membership(), etcd.own_id()
    except EtcdError as error:
        if not_voting:
            return
        raise HostError(
            f"this server holds etcd data, and whether etcd counts on it is not known here ({error}): look "
            "through a healthy member (k8s_etcd.members there), remove the member behind the quorum proof if "
            "it is one, then reset with not_voting=True"
        ) from error
    votes = any(member.id == own and not member.learner for member in membership.members)
    if votes and (membership.quorum or not not_voting):
        raise HostError(
            "this server votes in etcd: a reset would wipe its data under the cluster — remove the member "
            "first, through another one (k8s_etcd.remove_member), behind the quorum proof"
        )


def _emptied() -> Iterator[str]:
    """Empty the directories that kubeadm leaves; a directory itself may be a mount."""
    for directory in LEFTOVERS:
        entries = list(directory.iterdir()) if directory.is_dir() else []
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        if entries:
            yield str(directory)
