"""The lab as the benchmarks use it: one of its own, with fresh servers for each thing that is timed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYOUT = Path(__file__).with_name("layout.yaml")
# Not the lab that a person may have up.
_ENVIRONMENT = {**os.environ, "LAB_NAME": "bench"}


def lab(*words: str) -> None:
    """Run `lab/dc WORDS`; what it says is for the person who waits."""
    subprocess.run([ROOT / "lab/dc", *words], env=_ENVIRONMENT, stdout=sys.stderr, check=True)


def execute(server: str, script: str, *words: str, given: bytes = b"") -> str:
    """Run a shell script as root on a server; return what it printed."""
    command = [ROOT / "lab/dc", "exec", server, "--", "sh", "-euc", script, "sh", *words]
    done = subprocess.run(command, env=_ENVIRONMENT, input=given, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{server}: {script}\n{(done.stdout + done.stderr).decode()[-4000:]}")
    return done.stdout.decode()


@contextmanager
def fresh_servers() -> Iterator[None]:
    """Boot the servers, each on an empty disk; leave nothing of them."""
    lab("down")
    try:
        lab("up", str(LAYOUT))
        yield
    finally:
        lab("down")
