"""Run on a server of the lab: look for secrets in logs, caches, journals and whatever everyone can read.

Standard input: {"needles": [parts of private keys], "shapes": [regular expressions]}. One line each.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOTS = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")  # noqa: S108
# In these even root's own files are searched: they are kept, sent away, or shown to people.
ALWAYS = ("/var/log", "/var/cache/salt", "/var/lib/k8s-lifecycle", "/tmp", "/var/tmp")  # noqa: S108
# Images' own files, Salt's programs, the packages' lists; Salt's own keys; journals, which journalctl reads.
LEFT_OUT = {
    "/var/lib/containerd", "/run/containerd", "/opt/saltstack", "/var/lib/dpkg", "/etc/salt/pki",
    "/var/log/journal", "/run/log/journal",
}  # fmt: skip


def texts() -> Iterator[tuple[str, bytes]]:
    """Yield every file to be searched, and the journal, each with its content."""
    for root in ROOTS:
        for directory, names, files in os.walk(root):
            names[:] = [name for name in names if f"{directory}/{name}" not in LEFT_OUT]
            for path in (Path(directory, name) for name in files):
                if path.as_posix().startswith(ALWAYS) or for_everyone(path):
                    yield str(path), content(path)
    journal = subprocess.run(["journalctl", "-o", "cat", "--all"], capture_output=True, check=True)
    yield "journal", journal.stdout


def for_everyone(path: Path) -> bool:
    """Whether any user can read a file."""
    try:
        reads = path.stat().st_mode & stat.S_IROTH
        return bool(reads) and all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
    except OSError:
        return False


def content(path: Path) -> bytes:
    try:
        return path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else b""
    except OSError:  # it is gone
        return b""


def main() -> None:
    question = json.load(sys.stdin)
    shapes = [re.compile(shape.encode()) for shape in question["shapes"]]
    for path, text in texts():
        if any(key.encode() in text for key in question["needles"]):
            print(f"{path}: a private key")
        for shape in shapes:
            if found := shape.search(text):
                print(f"{path}: {found.group()[:8]!r}... at byte {found.start()}")


main()
