"""The fencing number of a server: the highest that any run has shown it; a lower one is refused.

A lock that expires does not stop the jobs of its holder. This does: every operation that changes a server
carries the number that its run got with the lock, and the server remembers the highest one.
"""

from pathlib import Path

from k8s_lifecycle.server import durable

DIRECTORY = Path("/var/lib/k8s-lifecycle")


class SupersededError(Exception):
    """A run with a higher fencing number works on this server."""


def current(directory: Path = DIRECTORY) -> int:
    """Return the highest number seen; 0 before the first run."""
    path = directory / "fence"
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return 0
    if not text.strip().isdigit():
        raise ValueError(f"{path} holds {text!r}, not a number — write the fence of the last run into it")
    return int(text)


def admit(number: int, directory: Path = DIRECTORY) -> None:
    """Let an operation with this number go ahead and remember it; raise `SupersededError` for a lower one."""
    with durable.alone(directory / "fence.lock"):
        highest = current(directory)
        if number < highest:
            raise SupersededError(
                f"superseded: a later run has the fencing number {highest}, this call has {number}: its run "
                "lost the lock — nothing was done; look at k8s.status, then start the operation again"
            )
        if number > highest:
            durable.write(directory / "fence", f"{number}\n")
