"""What is shown of other programs' words: short, and without what must not be seen."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b")
_PRIVATE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOISE = re.compile(
    r"^\s*$|^To see the stack trace|^[WI]\d{4} |^(CONFIG|CGROUPS)_\w+: |^(OS|KERNEL_VERSION): "
    r"|^\s*\[WARNING |^\[kubelet-check\] (Initial|Wait)"
)


def redacted(text: str) -> str:
    """Return a text without bootstrap tokens and private keys."""
    return _PRIVATE.sub("(private key)", _TOKEN.sub("(token)", text))


def last_useful_lines(output: str, count: int = 8) -> str:
    """Return the last lines of a program's output that say something, redacted."""
    plain = _COLOUR.sub("", redacted(output))
    lines = [line.rstrip() for line in plain.splitlines() if not _NOISE.match(line)]
    return "\n".join(lines[-count:])


def brief(error: Exception) -> str:
    """Return the cause that a HTTP library wraps in its own words and in the names of Python objects."""
    return redacted(str(error)).rpartition("): ")[2].rstrip("'\") ").strip()
