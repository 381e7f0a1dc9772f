"""What the agent on this server was given: its token, the gossip key and the authority, for root only."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from k8s_lifecycle.server import durable

DIRECTORY = Path("/var/lib/k8s-lifecycle")


@dataclass(frozen=True)
class Credentials:
    """What an agent needs to be let in. services: those that its token may register.

    cluster, cluster_token: on a control plane, what writes the Services of its cluster into the catalogue.
    """

    token: str
    gossip_key: str
    authority: str
    services: list[str]
    cluster: str | None = None
    cluster_token: str | None = None


def read(directory: Path = DIRECTORY) -> Credentials | None:
    """Return the credentials of this server; None where it was given none."""
    try:
        return Credentials(**json.loads((directory / "consul.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def keep(credentials: Credentials, directory: Path = DIRECTORY) -> None:
    """Keep credentials in place of earlier ones."""
    durable.write(directory / "consul.json", json.dumps(asdict(credentials)))


def forget(directory: Path = DIRECTORY) -> None:
    """Forget the credentials: the agent asks for new ones."""
    (directory / "consul.json").unlink(missing_ok=True)


def new_token() -> str:
    """Return a token that nobody can guess."""
    return str(uuid.uuid4())
