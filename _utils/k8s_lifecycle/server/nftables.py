"""Tables of our own in nftables: whether what is in force is what a file says."""

from __future__ import annotations

from pathlib import Path

from k8s_lifecycle.server.command import output

# Both are compared as nft shows them, and the file is shown from a network that ends with this.
_LOADED_ELSEWHERE = 'nft --file "$1" && exec nft list table "$2" "$3"'


def differences(table: str, file: str) -> dict[str, dict[str, str]]:
    """Return whether a table, such as `inet k8s_monitoring`, is missing or another than that of a file."""
    wanted = {"new": f"that of {file}"}
    if not Path(file).exists():
        return {table: {"old": "none", **wanted}}
    # Its status is 1 where there is no such table.
    found = output("nft", "list", "table", *table.split(), accept=(0, 1))
    if found == output("unshare", "--net", "sh", "-c", _LOADED_ELSEWHERE, "sh", file, *table.split()):
        return {}
    return {table: {"old": "another" if found else "none", **wanted}}


def load(file: str) -> None:
    """Load a file."""
    output("nft", "--file", file)
