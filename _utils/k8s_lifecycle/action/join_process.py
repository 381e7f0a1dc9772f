"""A run of `k8s.join` in a fresh interpreter, as an operator would start it."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence

log = logging.getLogger(__name__)

_SALT_RUN = "from salt.scripts import salt_run; salt_run()"
_SHOWN = 4000


class JoinProcess:
    """`salt-run k8s.join SERVERS` at work; a failure goes into the master's log when it has ended."""

    def __init__(self, configuration: str, servers: Sequence[str]) -> None:
        self._servers = " ".join(servers)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SALT_RUN, "--config-dir", configuration, "k8s.join", *servers],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        log.info("joining %s (pid %d)", self._servers, self._process.pid)

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        code = self._process.poll()
        if code is not None and not self._output.closed:
            self._report(code)
        return code

    def _report(self, code: int) -> None:
        with self._output as output:
            output.seek(max(0, output.seek(0, 2) - _SHOWN))
            said = output.read().decode(errors="replace")
        if code:
            log.warning("joining %s ended with exit code %d:\n%s", self._servers, code, said)
        else:
            log.info("joined %s", self._servers)
