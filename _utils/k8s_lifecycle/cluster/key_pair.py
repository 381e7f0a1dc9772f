"""The key pair that one box is sealed to.

The target makes it for this one box and destroys the private half when it opens it, so that a box which
stays in a job cache is worthless.
"""

from __future__ import annotations

from pathlib import Path

from k8s_lifecycle.cluster import sealing
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.server import durable

DIRECTORY = Path("/run/k8s-lifecycle")


def make(name: str, cluster: str, directory: Path = DIRECTORY) -> str:
    """Make a key pair, in place of any earlier one of this name; return its public half.

    name: what the box will be. cluster: only a box for this cluster, or datacenter, opens.
    """
    private = sealing.new_private_key()
    durable.write(directory / f"{name}.key", private)
    durable.write(directory / f"{name}.cluster", cluster)
    return sealing.public_key(private)


def open_box(
    name: str, box: str, minion: str, purpose: str = sealing.PURPOSE, directory: Path = DIRECTORY
) -> bytes:
    """Return what a box carries; the private key that opens it is destroyed, whether it does or not."""
    try:
        private = (directory / f"{name}.key").read_bytes()
        cluster = (directory / f"{name}.cluster").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise HostError(f"this server asked for no {name}, or used it: ask for a new one") from None
    (directory / f"{name}.key").unlink()
    message, _ = sealing.unseal(box, private, minion, cluster, purpose=purpose)
    return message
