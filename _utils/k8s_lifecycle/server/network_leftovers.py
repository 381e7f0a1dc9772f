"""What kube-proxy and the pod network leave in the kernel: links, and chains and tables of their own.

Never a flush: a site's own rules live beside them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

from k8s_lifecycle.server.command import output

LINKS = ("cni0", "flannel.1", "flannel-v6.1", "kube-ipvs0")
NFT_TABLES = frozenset(
    {("ip", "kube-proxy"), ("ip6", "kube-proxy"), ("ip", "flannel-ipv4"), ("ip6", "flannel-ipv6")}
)
CHAIN = re.compile(r"^:((?:KUBE|FLANNEL)-\S+) ", re.MULTILINE)
IPTABLES = ("iptables", "ip6tables")


def remove() -> Iterator[str]:
    """Remove them; yield what was there."""
    for link in LINKS:
        if output("ip", "-json", "link", "show", "dev", link, accept=(0, 1)).strip():
            output("ip", "link", "delete", "dev", link)
            yield f"link {link}"
    for program in filter(shutil.which, IPTABLES):
        for table in ("filter", "nat", "mangle"):
            if restore := without_chains(output(f"{program}-save", "--table", table)):
                output(f"{program}-restore", "--noflush", given=f"*{table}\n{restore}COMMIT\n")
                yield f"{program} {table}"
    for family, table in sorted(NFT_TABLES & _nft_tables()):
        output("nft", "delete", "table", family, table)
        yield f"nft {family} {table}"


def without_chains(saved: str) -> str:
    """Return what `iptables-restore --noflush` is told to remove those chains and the jumps into them."""
    chains = CHAIN.findall(saved)
    inner = re.compile(r"^-A (?:KUBE|FLANNEL)-")
    jump = re.compile(r"^-A .*-j (?:KUBE|FLANNEL)-\S+")
    jumps = [line for line in saved.splitlines() if jump.match(line) and not inner.match(line)]
    lines = [
        *(f":{chain} - [0:0]" for chain in chains),  # which empties it
        *(f"-D {line.removeprefix('-A ')}" for line in jumps),
        *(f"-X {chain}" for chain in chains),
    ]
    return "".join(f"{line}\n" for line in lines)


def _nft_tables() -> set[tuple[str, str]]:
    if not shutil.which("nft"):
        return set()
    words = (line.split() for line in output("nft", "list", "tables").splitlines())
    return {(family, table) for _, family, table in words}
