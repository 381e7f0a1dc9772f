"""Runs that are cut off in the middle: by a kill of the runner, the master's power, a minion's end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress

import pytest
from lab_session import ROOT, Lab, wait_until

JOURNAL = "build/lab/{}/servers/master/upper/var/cache/salt/master/k8s/journal/dc1-prod.jsonl"
ENDED = 420

Run = subprocess.Popen[str]


def written(lab: Lab) -> str:
    """Return what the journal has of the cluster's runs, read from the master's disk."""
    journal = ROOT / JOURNAL.format(lab.name)
    return journal.read_text() if journal.exists() else ""


def started(lab: Lab, step: str, *command: str) -> Run:
    """Start a run on dc1-prod and return it once a step of it has started."""
    before = len(written(lab))
    run = lab.start("salt-run", *command)

    def has_started() -> bool:
        if run.poll() is not None:
            pytest.fail(f"it ended before {step}: {run.communicate()[0]}")
        lines = (json.loads(line) for line in written(lab)[before:].splitlines())
        return any((line["event"], line.get("step")) == ("starts", step) for line in lines)

    wait_until(f"{step} to start", has_started, ENDED, every=0.1)
    return run


def runner(lab: Lab, run: Run) -> None:
    """The runner is killed."""
    lab("exec", "master", "--", "pkill", "-KILL", "-f", "salt-run .*k8s[.]", check=False)
    run.communicate(timeout=30)


def master(lab: Lab, run: Run) -> None:
    """The master's power is cut."""
    lab("kill", "master")
    run.communicate(timeout=30)
    lab("start", "master")
    lab.wait_for_minions("dc1-*")


def kill_minion(lab: Lab, server: str) -> None:
    """A server's minion ends at once, with its jobs."""
    for process in lab.processes(server, "salt-minion"):
        with suppress(ProcessLookupError):  # it ended with its parent
            os.kill(process, signal.SIGKILL)


def restart_minion(lab: Lab, server: str) -> None:
    """A server's minion starts again, and answers."""
    lab("exec", server, "--", "systemctl", "restart", "salt-minion")
    lab.wait_for_minions(server)
