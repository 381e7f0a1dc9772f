"""How an agent gets its credentials: made on a Consul server for this one server, and sealed to its key."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from k8s_lifecycle.cluster import key_pair, sealing
from k8s_lifecycle.discovery import acl, gossip, store
from k8s_lifecycle.discovery.agent import Agent
from k8s_lifecycle.discovery.files import Access
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import consul
from k8s_lifecycle.server import durable

NAME = "consul-admission"
PURPOSE = "k8s-lifecycle consul v1"
ROLE = "agent"
TTL = 300


@dataclass(frozen=True)
class Applicant:
    """The server that asks, what it may register, and the key that its credentials are sealed to.

    cluster: the one whose Services it may write into the catalogue, if it is a control plane of such a one.
    """

    datacenter: str
    server: str
    services: tuple[str, ...]
    public: str
    cluster: str | None = None


def request(datacenter: str, directory: Path = key_pair.DIRECTORY) -> None:
    """Make the key pair that the credentials are to be sealed to."""
    durable.write(directory / f"{NAME}.public", key_pair.make(NAME, datacenter, directory))


def requested(directory: Path = key_pair.DIRECTORY) -> str | None:
    """Return the public half of the key pair; None where this server asks for nothing."""
    if not (directory / f"{NAME}.key").exists():
        return None
    return (directory / f"{NAME}.public").read_text(encoding="ascii")


def pending(directory: Path = key_pair.DIRECTORY) -> bool:
    """Whether this server asked, and no box has come and been dealt with since."""
    return (directory / f"{NAME}.public").exists()


def withdraw(directory: Path = key_pair.DIRECTORY) -> None:
    """Ask no more: what is made when nobody waits any more would end the token that the agent runs with."""
    for half in ("key", "public"):
        (directory / f"{NAME}.{half}").unlink(missing_ok=True)


def mint(agent: Agent, access: Access, applicant: Applicant) -> str:
    """Return the box with the credentials of a server. agent: with the management token.

    Its tokens have new secrets: who asks does so since it has lost the old ones, and who has them now is not
    known.
    """
    if not acl.catalogue_is_open(agent):
        raise HostError("the ACLs are not set up yet: highstate does it on the Consul servers")
    token = store.new_token()
    acl.grant(agent, consul.token(applicant.datacenter, applicant.server, applicant.services), token)
    key = gossip.used() or access.gossip_key
    credentials = store.Credentials(
        token,
        key,
        access.authority,
        list(applicant.services),
        applicant.cluster,
        _cluster_token(agent, applicant),
    )
    expires = int(time.time()) + TTL
    label = sealing.Label(applicant.server, applicant.datacenter, ROLE, expires, PURPOSE)
    return sealing.seal(json.dumps(asdict(credentials)).encode(), applicant.public, label)


def _cluster_token(agent: Agent, applicant: Applicant) -> str | None:
    if applicant.cluster is None:
        acl.revoke(agent, consul.cluster_accessor(applicant.datacenter, applicant.server))
        return None
    if consul.cluster_policy(applicant.cluster) not in acl.cluster_policies(agent):
        raise HostError(
            f"{applicant.cluster} may write nothing into the catalogue yet: highstate on the Consul servers "
            "lets it"
        )
    token = store.new_token()
    acl.grant(agent, consul.cluster_token(applicant.datacenter, applicant.server, applicant.cluster), token)
    return token


def accept(
    box: str, server: str, directory: Path = key_pair.DIRECTORY, kept: Path = store.DIRECTORY
) -> store.Credentials:
    """Keep the credentials in a box, which opens once."""
    try:
        message = key_pair.open_box(NAME, box, server, PURPOSE, directory)
        credentials = store.Credentials(**json.loads(message))
        store.keep(credentials, kept)
    finally:  # the last of it: who waits for the box looks for the credentials then
        (directory / f"{NAME}.public").unlink(missing_ok=True)
    return credentials
