"""An admission: all that one server needs to join one cluster once, and the key pair it is sealed to.

The target makes the key pair for this one admission and destroys the private half when it opens the box, so
that a box which stays in a job cache is worthless.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from k8s_lifecycle.cluster import sealing
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.server import durable

DIRECTORY = Path("/run/k8s-lifecycle")


@dataclass(frozen=True)
class Material:
    """What an admission carries. `pki`: the cluster's authorities, by path, for a control plane."""

    documents: list[dict[str, Any]]
    files: dict[str, str]
    pki: dict[str, str]

    def seal(self, public: str, label: sealing.Label) -> str:
        """Return the box that carries this to the holder of a private key."""
        return sealing.seal(json.dumps(asdict(self)).encode(), public, label)


def request(cluster: str, directory: Path = DIRECTORY) -> str:
    """Make the key pair for an admission, in place of any earlier one; return its public half."""
    private = sealing.new_private_key()
    durable.write(directory / "admission.key", private)
    durable.write(directory / "admission.cluster", cluster)
    return sealing.public_key(private)


def open_box(box: str, minion: str, directory: Path = DIRECTORY) -> Material:
    """Return what a box carries; the private key that opens it is destroyed, whether it does or not."""
    try:
        private = (directory / "admission.key").read_bytes()
        cluster = (directory / "admission.cluster").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HostError("this server asked for no admission, or used it: ask for a new one") from None
    (directory / "admission.key").unlink()
    message, _ = sealing.unseal(box, private, minion, cluster)
    return Material(**json.loads(message))
