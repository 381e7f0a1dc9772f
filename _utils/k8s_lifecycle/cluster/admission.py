"""An admission: all that one server needs to join one cluster once, sealed to a key pair of its own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from k8s_lifecycle.cluster import key_pair, sealing
from k8s_lifecycle.cluster.key_pair import DIRECTORY

NAME = "admission"


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
    return key_pair.make(NAME, cluster, directory)


def open_box(box: str, minion: str, directory: Path = DIRECTORY) -> Material:
    """Return what a box carries; the private key that opens it is destroyed, whether it does or not."""
    return Material(**json.loads(key_pair.open_box(NAME, box, minion, directory=directory)))
