"""Which minions the master has, asked of the kernel and of Salt."""

import ipaddress
import json
import sys
from pathlib import Path

from . import server
from .command import failure
from .errors import LabError
from .layout import Server

_PUBLISH_PORT = 4505
_TCP_ESTABLISHED = "01"  # as /proc/net/tcp writes it


def connected(master: Server) -> set[str]:
    """Return the addresses of the minions that listen to the master, without costing it anything."""
    first = server.leader(master)
    table = Path(f"/proc/{first}/net/tcp").read_text() if first else ""
    established = [line.split() for line in table.splitlines()[1:] if line.split()[3] == _TCP_ESTABLISHED]
    return {_address(peer) for _, local, peer, *_ in established if int(local[-4:], 16) == _PUBLISH_PORT}


def answering(master: Server, minions: list[str]) -> set[str]:
    """Return which of the minions answer the master now."""
    words = ["salt", "--list", ",".join(minions), "--timeout=5", "--static", "--out=json", "test.ping"]
    done = server.capture(master, words, timeout=60)
    try:
        answers = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise LabError(failure(words, done.returncode, done.stderr or done.stdout)) from error
    return {minion for minion, answer in answers.items() if answer is True}


def _address(hexadecimal: str) -> str:
    """Read an address as /proc/net/tcp writes it: the bytes in the machine's order, then the port."""
    number = int(hexadecimal.partition(":")[0], 16)
    return str(ipaddress.IPv4Address(number.to_bytes(4, sys.byteorder)))
