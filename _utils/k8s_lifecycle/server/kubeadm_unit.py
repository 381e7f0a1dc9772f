"""kubeadm as the transient systemd unit k8s-kubeadm.service.

A job of a minion dies when the minion restarts, and kubeadm must not. systemd keeps it, allows one at a time,
and remembers its result until the next one starts. What kubeadm reads (tokens are in it) lies in /run for
root only, and goes away when it ends, however it ends.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from k8s_lifecycle.errors import HostError
from k8s_lifecycle.server import command, durable, processes
from k8s_lifecycle.wording import last_useful_lines

UNIT = processes.UNIT
CRI_SOCKET = "unix:///run/containerd/containerd.sock"
INPUT = Path("/run/k8s-kubeadm")
LOGS = Path("/var/log/k8s-lifecycle")
LOCK = Path("/run/k8s-kubeadm.lock")
LONGEST = 1800

_POLL = 0.2
_SHOWN = ("ActiveState", "Job", "Description")


class KubeadmError(HostError):
    """kubeadm failed, or could not be started."""


@dataclass(frozen=True)
class Outcome:
    """What became of the last kubeadm."""

    verb: str
    ok: bool
    output: str


def run(
    words: Sequence[str],
    documents: Sequence[Mapping[str, Any]],
    timeout: float,
    files: Mapping[str, str] | None = None,
) -> str:
    """Run kubeadm with a configuration, wait for it, and return what it printed.

    words: the verb and its flags. documents: its configuration, given as `--config`. files: what the
    configuration refers to, by name in `INPUT`.

    Raises: `KubeadmError` with the last lines that it printed.
    """
    with durable.alone(LOCK):  # between the look at what runs and the start nobody else may start one
        refuse_if_running()
        _forget()
        try:
            _start([*words, *_input(documents, files or {})])
        except BaseException:
            shutil.rmtree(INPUT, ignore_errors=True)
            raise
    outcome = wait(timeout)
    if outcome is None or not outcome.ok:
        said = outcome.output if outcome else "systemd does not know it any more"
        raise KubeadmError(f"kubeadm {words[0]} failed (all of it is in {_log(words[0])} there):\n{said}")
    return outcome.output


def refuse_if_running() -> None:
    """Raise `KubeadmError` if a kubeadm changes this server now, ours or somebody's."""
    found = processes.kubeadm()
    if found:
        since = datetime.fromtimestamp(found["since"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        whose = "" if found["ours"] else ", which somebody started by hand"
        raise KubeadmError(
            f"kubeadm {found['verb']} is running since {since}, pid {found['pid']}{whose}: wait for it "
            "(k8s_kubeadm.wait), then run again"
        )
    if _busy(shown := _show()):
        raise KubeadmError(f"kubeadm {_verb(shown)} is starting or ending: wait for it (k8s_kubeadm.wait)")


def wait(timeout: float) -> Outcome | None:
    """Wait until no kubeadm changes this server; return what became of the last one of ours, if known.

    Raises: `KubeadmError` if one still runs after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while (found := processes.kubeadm()) or _busy(_show()):
        if time.monotonic() > deadline:
            verb = found["verb"] if found else _verb(_show())
            said = last_useful_lines(_output(verb), 3) or "nothing yet"
            raise KubeadmError(
                f"kubeadm {verb} is still running after {timeout:.0f} s and goes on; it last said: {said} — "
                "run again later: it is waited for then"
            )
        time.sleep(_POLL)
    return outcome()


def outcome() -> Outcome | None:
    """Return what became of the last kubeadm of ours; None where it is not known any more."""
    shown = _show()
    if shown["ActiveState"] not in ("active", "failed"):
        return None
    verb = _verb(shown)
    return Outcome(verb, shown["ActiveState"] == "active", last_useful_lines(_output(verb)))


def _input(documents: Sequence[Mapping[str, Any]], files: Mapping[str, str]) -> list[str]:
    """Write what kubeadm reads; return the flags that lead it there."""
    for name, content in files.items():
        durable.write(INPUT / name, content)
    if not documents:
        return []
    durable.write(INPUT / "config.yaml", yaml.safe_dump_all(documents, sort_keys=False))
    return ["--config", str(INPUT / "config.yaml")]


def _start(words: Sequence[str]) -> None:
    program = shutil.which("kubeadm")
    if program is None:
        raise KubeadmError("there is no kubeadm on this server: run `state.apply k8s.server` on it first")
    log = _log(words[0])
    durable.write(log, "")
    clean_up = f"{shutil.which('rm')} -rf {INPUT}"
    properties = {
        "Type": "oneshot",
        "RemainAfterExit": "yes",  # with it the result stays
        "TimeoutStartSec": str(LONGEST),
        "UMask": "0077",
        "StandardOutput": f"append:{log}",
        "StandardError": f"append:{log}",
        "ExecStartPost": clean_up,
        "ExecStopPost": clean_up,
    }
    flags = [f"--property={name}={value}" for name, value in properties.items()]
    description = f"kubeadm {words[0]} by k8s-lifecycle"
    try:
        command.output(
            "systemd-run", f"--unit={UNIT}", f"--description={description}", "--no-block", "--quiet", *flags,
            "--", program, *words,
        )  # fmt: skip
    except RuntimeError as error:
        raise KubeadmError(f"could not start kubeadm {words[0]}: {error}") from error


def _forget() -> None:
    """Take the result of the last kubeadm away, so that the unit's name is free."""
    shutil.rmtree(INPUT, ignore_errors=True)
    command.output("systemctl", "stop", UNIT, accept=(0, 5))
    command.output("systemctl", "reset-failed", UNIT, accept=(0, 1))


def _show() -> dict[str, str]:
    shown = command.output("systemctl", "show", UNIT, f"--property={','.join(_SHOWN)}")
    return dict(line.split("=", 1) for line in shown.splitlines())


def _busy(shown: Mapping[str, str]) -> bool:
    """Whether the unit is about to run, runs or cleans up: its process alone does not tell."""
    return shown["ActiveState"] in ("activating", "deactivating") or shown.get("Job", "0") not in ("", "0")


def _verb(shown: Mapping[str, str]) -> str:
    words = shown["Description"].split()
    return words[1] if len(words) > 1 else ""


def _log(verb: str) -> Path:
    return LOGS / f"kubeadm-{verb}.log"


def _output(verb: str) -> str:
    try:
        return _log(verb).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
