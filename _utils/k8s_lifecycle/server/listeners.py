"""Which program listens on which TCP port."""

import re
import time

from k8s_lifecycle.server.command import output

_POLL = 0.1


def by_port() -> dict[int, str]:
    """Return the program behind each listening TCP port."""
    return parse(output("ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes"))


def parse(table: str) -> dict[int, str]:
    """Return the program behind each port, from what `ss` prints."""
    found = {}
    for line in table.splitlines():
        program = re.search(r'users:\(\("([^"]+)"', line)
        found[int(line.split()[3].rpartition(":")[2])] = program[1] if program else "another program"
    return found


def wait(port: int, program: str, timeout: float) -> str | None:
    """Wait until a program listens on a port; return who does in the end."""
    deadline = time.monotonic() + timeout
    while (found := by_port().get(port)) != program and time.monotonic() < deadline:
        time.sleep(_POLL)
    return found
