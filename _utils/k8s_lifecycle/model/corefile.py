"""CoreDNS told to ask Consul for names of `consul.`: a server block of its own in the Corefile.

A block of ours is one for `consul` that forwards to our address; what else is in it stays. There is no mark
on it: kubeadm's upgrade writes a Corefile anew without its comments.
https://github.com/coredns/corefile-migration
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from k8s_lifecycle.model.consul import DNS_PORT, PODS_DNS

ZONE = "consul"
FORWARD = ["forward", ".", f"{PODS_DNS}:{DNS_PORT}"]
BLOCK = f"{ZONE}:53 {{\n    errors\n    {' '.join(FORWARD)}\n}}\n"
_WORDS = re.compile(r'#[^\n]*|"(?:\\.|[^"\\])*"|\S+')


def wanted(corefile: str, forwards: bool) -> str:
    """Return a Corefile with our block, or without it; all else as it is."""
    blocks = [block for block in _blocks(corefile) if ZONE in block.zones]
    ours = [block for block in blocks if block.ours]
    if not forwards:
        for block in reversed(ours):
            corefile = corefile[: block.begin] + corefile[block.end :].lstrip("\n")
        return corefile
    return corefile if blocks else f"{corefile.rstrip()}\n{BLOCK}"


def foreign(corefile: str) -> bool:
    """Whether somebody else has a block for `consul`, which is left to him."""
    return any(ZONE in block.zones and not block.ours for block in _blocks(corefile))


@dataclass(frozen=True)
class _Block:
    """A server block: its zones, whether it is ours, and where it begins and ends in the text."""

    zones: frozenset[str]
    ours: bool
    begin: int
    end: int


def _blocks(corefile: str) -> Iterator[_Block]:
    """Yield the server blocks, as CoreDNS reads them: braces are words of their own, `#` begins a comment."""
    depth, begin = 0, -1
    head: list[str] = []
    body: list[str] = []
    for match in _WORDS.finditer(corefile):
        word = match.group()
        if word.startswith("#"):
            continue
        if begin < 0:
            begin = match.start()
        if word in "{}":
            depth += 1 if word == "{" else -1
        elif depth == 0:
            head.append(word)
        if depth:
            body.append(word)
        elif word == "}":
            yield _Block(frozenset(map(_zone, head)), _forwards(body), begin, match.end())
            begin, head, body = -1, [], []


def _zone(word: str) -> str:
    return word.rstrip(",").removeprefix("dns://").partition(":")[0].rstrip(".").lower()


def _forwards(body: list[str]) -> bool:
    return any(body[at : at + len(FORWARD)] == FORWARD for at in range(len(body)))
