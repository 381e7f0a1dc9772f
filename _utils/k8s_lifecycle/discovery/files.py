"""The files of Consul's configuration on this server: which there should be, and which differ."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8s_lifecycle.discovery.situation import Situation
from k8s_lifecycle.discovery.store import Credentials
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import consul
from k8s_lifecycle.server import durable
from k8s_lifecycle.server.command import output

GROUP = "consul"
MODE = 0o640
AGENT, SECRETS, SERVICES = (f"{consul.CONFIG}/k8s-{name}.json" for name in ("agent", "secrets", "services"))


@dataclass(frozen=True)
class Access:
    """What this Consul server runs with: its datacenter, and what opens that."""

    datacenter: str
    management_token: str
    gossip_key: str
    authority: str


def access(root: Path = Path("/")) -> Access:
    """Return what this Consul server runs with, which is not always what its pillar said last.

    Raises HostError on any other server.
    """
    agent, secrets, authority = (
        _read(root / path.lstrip("/")) or "" for path in (AGENT, SECRETS, consul.AUTHORITY)
    )
    told, hidden = json.loads(agent or "{}"), json.loads(secrets or "{}")
    tokens = hidden.get("acl", {}).get("tokens", {})
    management = next((tokens[name] for name in consul.MANAGEMENT if name in tokens), None)
    if management is None:
        raise HostError("this is no Consul server, or highstate has not made it one yet")
    return Access(told["datacenter"], management, hidden["encrypt"], authority)


def wanted(situation: Situation, credentials: Credentials) -> dict[str, str]:
    """Return the texts of the files of a server, by path."""
    datacenter, secrets = situation.datacenter, situation.secrets
    if datacenter.consul is None:
        return {}
    agent = consul.agent(
        datacenter, situation.server, situation.address(), situation.place.peers, situation.membership
    )
    services = [
        {**definition, "token": credentials.token}
        for definition in consul.services(datacenter, situation.server, situation.membership)
    ]
    management = secrets.management_token if secrets else None
    hidden = consul.secrets(datacenter.consul, credentials.gossip_key, credentials.token, management)
    own = {consul.CERTIFICATE: secrets.certificate, consul.KEY: secrets.key} if secrets else {}
    return {
        consul.AUTHORITY: credentials.authority,
        **own,
        AGENT: _json(agent),
        SECRETS: _json(hidden),
        # Both are taken up by a reload.
        SERVICES: _json({"node_meta": consul.place(situation.membership), "services": services}),
    }


def differing(texts: Mapping[str, str], root: Path = Path("/")) -> list[str]:
    """Return the paths of the files that are not as they should be, and of those that should not be."""
    missing = [path for path, text in texts.items() if _read(root / path.lstrip("/")) != text]
    return [*missing, *(path for path in (consul.CERTIFICATE, consul.KEY) if _is_stray(path, texts, root))]


def write(texts: Mapping[str, str], changed: Collection[str]) -> None:
    """Write the files that changed, after Consul itself has found all of them valid."""
    _validate(texts)
    for path in changed:
        target = Path(path)
        if path not in texts:
            target.unlink()
            continue
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        durable.write(target, texts[path], MODE, GROUP)


def _validate(texts: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix="k8s-consul-") as draft:
        for path, text in texts.items():
            if path.endswith(".json"):
                file = Path(draft, Path(path).name)
                file.touch(mode=0o600)
                file.write_text(text, encoding="utf-8")
        output("consul", "validate", "-quiet", draft)


def _is_stray(path: str, texts: Mapping[str, str], root: Path) -> bool:
    return path not in texts and (root / path.lstrip("/")).exists()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
