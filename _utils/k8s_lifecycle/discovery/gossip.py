"""The gossip key that this server's agent uses."""

from __future__ import annotations

import json
from pathlib import Path

from k8s_lifecycle.model.consul import DATA

KEYRING = Path(DATA, "serf/local.keyring")


def used(keyring: Path = KEYRING) -> str | None:
    """Return the key that the datacenter uses now, as its agent keeps it; None where it never ran."""
    try:
        keys = json.loads(keyring.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return str(keys[0])
