"""Run on a server of the lab: look for secrets in logs, caches, journals and whatever everyone can read.

Standard input, as JSON: roots (directories), always (those in which root's own files count, too), needles
(parts of private keys, and what else is secret), token (an extended regular expression), shapes (regular
expressions that begin with literal text). One line for each finding, without the secret.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Images' own files, Salt's programs, the packages' lists; Salt's own keys; journals, which journalctl reads;
# this checkout with all that is built in it.
LEFT_OUT = {
    "/var/lib/containerd", "/run/containerd", "/opt/saltstack", "/var/lib/dpkg", "/etc/salt/pki",
    "/var/log/journal", "/run/log/journal", "/srv/k8s-lifecycle",
}  # fmt: skip


def files(roots: list[str], always: list[str]) -> Iterator[Path]:
    """Yield every file to be searched."""
    for root in roots:
        for directory, names, found in os.walk(root):
            names[:] = [name for name in names if f"{directory}/{name}" not in LEFT_OUT]
            for path in (Path(directory, name) for name in found):
                if is_regular(path) and (path.as_posix().startswith(tuple(always)) or for_everyone(path)):
                    yield path


def is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # it is gone
        return False


def for_everyone(path: Path) -> bool:
    """Whether any user can read a file."""
    try:
        reads = path.stat().st_mode & stat.S_IROTH
        return bool(reads) and all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
    except OSError:
        return False


def grep(paths: list[Path], *how: str) -> list[tuple[str, str]]:
    """Return what grep finds, each with its file; logs are too long for regular expressions in Python."""
    command = [
        "xargs",
        "-0",
        "grep",
        "--text",
        "--only-matching",
        "--with-filename",
        "--null",
        "--no-messages",
    ]
    done = subprocess.run(
        [*command, *how, "--"], input=b"\0".join(map(os.fsencode, paths)), capture_output=True,
        env={**os.environ, "LC_ALL": "C"}, check=False,
    )  # fmt: skip
    rows = done.stdout.decode(errors="replace").splitlines()
    return [(path, said) for path, _, said in (row.partition("\0") for row in rows)]


def main() -> None:
    question = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        needles, literals, journal = (Path(directory, name) for name in ("needles", "literals", "journal"))
        paths = list(files(question["roots"], question["always"]))
        # In files: a witness that sees the command line would take it for what is looked for.
        needles.write_text("\n".join(question["needles"]) + "\n")
        literals.write_text("\n".join(re.match(r"[\w-]+", shape)[0] for shape in question["shapes"]) + "\n")
        if "/var" in question["roots"]:
            with journal.open("wb") as into:
                subprocess.run(["journalctl", "-o", "cat", "--all"], stdout=into, check=True)
            paths.append(journal)
        for path, _ in grep(paths, "--fixed-strings", f"--file={needles}"):
            print(f"{path}: a secret")
        for path, said in grep(paths, "--extended-regexp", f"--regexp={question['token']}"):
            print(f"{path}: {said.strip()[:8]!r}...")
        suspects = {path for path, _ in grep(paths, "--fixed-strings", f"--file={literals}")}
        for path in suspects:
            text = Path(path).read_bytes()
            for shape in question["shapes"]:
                if found := re.search(shape.encode(), text):
                    print(f"{path}: {found.group()[:24]!r}... at byte {found.start()}")


main()
