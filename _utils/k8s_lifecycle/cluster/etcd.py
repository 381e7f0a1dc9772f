"""etcd's members as etcd itself sees them, through the JSON gateway of its client port.

The gateway speaks the same API as etcdctl (https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/), with the
certificate that kubeadm made for etcd's health checks, so that no etcdctl is needed on a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.wording import brief

PKI = Path("/etc/kubernetes/pki/etcd")
LOCAL = "https://127.0.0.1:2379"
TIMEOUT = 2.0


class EtcdError(HostError):
    """etcd gave no answer, or refused."""


@dataclass(frozen=True)
class Member:
    """One member. `id` is hexadecimal, as etcdctl shows it; a member that never started has no name."""

    name: str
    id: str
    learner: bool
    peer_urls: list[str]
    client_urls: list[str]
    healthy: bool = False
    leader: bool = False


@dataclass(frozen=True)
class Membership:
    """The members, and whether a quorum stands behind the list or one member's memory only."""

    members: tuple[Member, ...]
    quorum: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"members": [asdict(member) for member in self.members], "quorum": self.quorum}


class Etcd:
    """The etcd cluster of which a member runs, or ran, on this server."""

    def __init__(self, pki: Path = PKI, endpoint: str = LOCAL, timeout: float = TIMEOUT) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the site knows nothing of etcd
        self._session.verify = str(pki / "ca.crt")
        self._session.cert = (str(pki / "healthcheck-client.crt"), str(pki / "healthcheck-client.key"))

    def membership(self) -> Membership:
        """Return every member with its health. Raises: `EtcdError` where the local member does not answer."""
        try:
            listed, quorum = self._list(linearizable=True), True
        except EtcdError:
            listed, quorum = self._list(linearizable=False), False
        with ThreadPoolExecutor(max_workers=max(1, len(listed))) as pool:
            return Membership(tuple(pool.map(self._examined, listed)), quorum)

    def own_id(self) -> str:
        """Return the id of the member that runs on this server."""
        return format(
            int(self._call(self._endpoint, "/v3/maintenance/status", {})["header"]["member_id"]), "x"
        )

    def remove(self, member: Member) -> None:
        """Remove a member from the cluster. Whether that is safe was decided before."""
        self._call(self._endpoint, "/v3/cluster/member/remove", {"ID": str(int(member.id, 16))})

    def _list(self, *, linearizable: bool) -> Sequence[dict[str, Any]]:
        answer = self._call(self._endpoint, "/v3/cluster/member/list", {"linearizable": linearizable})
        members: Sequence[dict[str, Any]] = answer["members"]
        return members

    def _examined(self, listed: dict[str, Any]) -> Member:
        urls = listed.get("clientURLs", [])
        status = self._status(urls, listed["ID"])
        return Member(
            name=listed.get("name", ""),
            id=format(int(listed["ID"]), "x"),
            learner=listed.get("isLearner", False),
            peer_urls=listed.get("peerURLs", []),
            client_urls=urls,
            healthy=int(status.get("leader", 0)) != 0,
            leader=status.get("leader") == listed["ID"],
        )

    def _status(self, urls: Sequence[str], member: str) -> dict[str, Any]:
        """Return the status that this member tells itself; empty when it is silent or another one answers."""
        for url in urls:
            try:
                status = self._call(url, "/v3/maintenance/status", {})
            except EtcdError:
                continue
            if status["header"]["member_id"] == member:
                return status
        return {}

    def _call(self, endpoint: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = self._session.post(endpoint + path, json=body, timeout=self._timeout)
            answer: dict[str, Any] = response.json()
        except (requests.RequestException, OSError, ValueError) as error:
            raise EtcdError(f"etcd at {endpoint} does not answer: {brief(error)}") from None
        if not response.ok:
            raise EtcdError(
                f"etcd at {endpoint} refused {path}: {answer.get('message', response.status_code)}"
            )
        return answer
