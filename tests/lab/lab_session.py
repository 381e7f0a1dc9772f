"""The lab as the tests use it: its command, and what is asked again and again."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class Lab:
    """The lab's command, as a person types it."""

    def __call__(
        self, *words: str, check: bool = True, timeout: float = 900
    ) -> subprocess.CompletedProcess[str]:
        """Run `lab/dc WORDS`; with check, a failure fails the test with what it said."""
        done = subprocess.run(
            [ROOT / "lab/dc", *words], capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode:
            pytest.fail(
                f"lab/dc {' '.join(words)}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `lab/dc WORDS` and return its process."""
        return subprocess.Popen(
            [ROOT / "lab/dc", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, function: str, *words: str, check: bool = True) -> dict[str, Any]:
        """Run a runner function and return its report as data."""
        done = self("salt-run", function, *words, "--out=json", check=False)
        if check and done.returncode:
            pytest.fail(
                f"{function} {words}: {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
            )
        report: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
        return report | {"retcode": done.returncode}

    def kubectl(self, server: str, *words: str, check: bool = True) -> str:
        """Run kubectl with a control plane's own credentials."""
        config = ("--kubeconfig", "/etc/kubernetes/admin.conf")
        return self("exec", server, "--", "kubectl", *config, *words, check=check).stdout

    def nodes(self, server: str) -> dict[str, dict[str, Any]]:
        """Return the Node objects by name."""
        found = json.loads(self.kubectl(server, "get", "nodes", "-o", "json"))["items"]
        return {node["metadata"]["name"]: node for node in found}


def is_ready(node: dict[str, Any]) -> bool:
    """Whether a Node object's Ready condition is true."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])


def wait_until(what: str, holds: Callable[[], object], seconds: float, every: float = 1) -> float:
    """Wait until something holds; return how long it took, fail with what was waited for."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(every)
    return time.monotonic() - began
