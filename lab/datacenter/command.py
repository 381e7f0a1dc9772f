"""Run a program of the machine, and make its failure readable."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import LabError

LAST_LINES = 15


def run(
    *command: str | Path,
    stdin: str | None = None,
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command to its end and return its standard output."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, timeout=timeout, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{shlex.join(words)}\n  did not finish within {timeout:g} s") from error
    if done.returncode:
        raise LabError(failure(words, done.returncode, done.stderr or done.stdout))
    return done.stdout


def failure(words: Sequence[str], status: int, output: str) -> str:
    """Describe a failed command: what was run, how it ended, the last lines of what it said."""
    lines = output.strip().splitlines()[-LAST_LINES:]
    return "\n  ".join([f"{shlex.join(words)}: exit status {status}", *lines])
