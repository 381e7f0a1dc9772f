"""Run a program of the host."""

import os
import subprocess


def output(*words: str, timeout: float = 30, accept: tuple[int, ...] = (0,), given: str | None = None) -> str:
    """Return what a program printed, `given` on its input; raise RuntimeError with its last lines."""
    try:
        done = subprocess.run(
            words,
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{' '.join(words)}: {error}") from error
    if done.returncode not in accept:
        said = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-5:])
        raise RuntimeError(f"{' '.join(words)} failed with status {done.returncode}: {said}")
    return done.stdout
