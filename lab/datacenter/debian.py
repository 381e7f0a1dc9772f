"""A minimal Debian in a directory, from the mirrors that this machine's own apt is configured with."""

from collections.abc import Sequence
from pathlib import Path

from .command import run

CODENAME = "bookworm"
_FIELDS = "$(ORIGIN)|$(CODENAME)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
# How to fetch, not what: proxies, time checks and certificates that the machine needs, a server does too.
_FETCH_OPTIONS = ("Acquire::Check", "Acquire::http", "Acquire::https", "Acquire::Languages")


def sources() -> str:
    """Return the machine's apt sources of the Debian release with its updates; empty if it has none."""
    found = []
    for line in run("apt-get", "indextargets", "--format", _FIELDS, "Created-By: Packages").splitlines():
        origin, codename, source = line.split("|")
        if origin == "Debian" and codename.split("-")[0] == CODENAME:
            found.append(source)
    return "\n".join(dict.fromkeys(found))


def bootstrap(directory: Path, packages: Sequence[str]) -> None:
    """Install a minimal Debian with the given packages into a new directory."""
    options = [f"--aptopt={option}" for option in _fetch_options()]
    run(
        "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(packages)}", *options,
        CODENAME, directory, "-",
        stdin=sources(), timeout=1200,
    )  # fmt: skip


def _fetch_options() -> list[str]:
    lines = run("apt-config", "dump").splitlines()
    return [line.rstrip(";") for line in lines if line.startswith(_FETCH_OPTIONS) and '""' not in line]
