"""Whoever could overhear a lab: on the event bus, by command lines, in logs, caches and readable files."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from lab_session import ROOT, Lab, all_processes, command_line, lab_of

BODY = 40
PYTHON = "/opt/saltstack/salt/bin/python3"
SCRIPT = Path(__file__).with_name("search_server.py")
ROOTS = ["/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var"]  # noqa: S108
# In these even root's own files are searched: they are kept, sent away, or shown to people.
ALWAYS = ["/var/log", "/var/cache/salt", "/var/lib/k8s-lifecycle", "/tmp", "/var/tmp"]  # noqa: S108
KEYS = """
find /etc/kubernetes /var/lib/kubelet/pki -type f '(' -name '*.key' -o -name '*.pem' -o -name '*.conf' ')' \\
    -exec cat {} +
"""
PLANT = """
umask 022
cat /var/lib/kubelet/pki/kubelet-client-current.pem > /opt/planted
printf '%s.%s' abcdef 0123456789abcdef > /var/log/planted
"""

TOKEN = r"(^|[^A-Za-z0-9_.])[a-z0-9]{6}\.[a-z0-9]{16}($|[^A-Za-z0-9_.])"  # noqa: S105 - what one looks like
# What each PEM of a private key and each kubeconfig has.
SHAPES = [
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\n|\s)+[A-Za-z0-9+/]{40}",
    r"client-key-data\W{1,4}[A-Za-z0-9+/]{40}",
]


class Witness:
    """Records the event bus and every command line while it is entered; searches the servers afterwards."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._servers = [row.split()[0] for row in lab("status").stdout.splitlines()[1:] if row.strip()]
        self._kept = tempfile.TemporaryDirectory()
        self._commands: set[str] = set()
        self._ended = threading.Event()
        self._listener: subprocess.Popen[bytes] | None = None
        self._threads = [threading.Thread(target=each) for each in (self._listen, self._look)]

    def __enter__(self) -> Witness:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._listener:
            self._listener.kill()
        for thread in self._threads:
            thread.join()
        self._kept.cleanup()

    def found(self, *more: str) -> list[str]:
        """Return where secrets are to be seen: of this moment's servers by content, of all by their shape.

        more: what is secret, too.
        """
        own = [*self._needles(), *more]
        Path(self._kept.name, "command lines").write_text("\n".join(self._commands))
        here = {"roots": [self._kept.name], "always": [self._kept.name]}
        command = [sys.executable, str(SCRIPT)]
        question = _question(own, here)
        done = subprocess.run(command, input=question, capture_output=True, text=True, check=True)
        found = done.stdout.splitlines()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            lines = list(pool.map(lambda server: self._search(server, own), self._servers))
        for server, said in zip(self._servers, lines, strict=True):
            found += [f"{server}: {line}" for line in said]
        return found

    def finds_what_is_planted(self) -> bool:
        """Plant a key where everyone can read it, and a token in a log: are both found?"""
        worker = next(server for server in self._servers if "-w-" in server)
        self._lab("exec", worker, "--", "sh", "-c", PLANT)
        lines = self._search(worker, self._needles())
        self._lab("exec", worker, "--", "rm", "/opt/planted", "/var/log/planted")
        return {line.split(":")[0] for line in lines} == {"/opt/planted", "/var/log/planted"}

    def _needles(self) -> list[str]:
        """Return a part of every private key there is, as it is and as a kubeconfig encodes it."""
        pems = "".join(
            self._lab("exec", server, "--", "sh", "-c", KEYS, check=False).stdout for server in self._servers
        )
        encoded = re.findall(r"client-key-data: (\S+)", pems)
        pems += "".join(base64.b64decode(one).decode() for one in encoded)
        bodies = re.findall(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(\S+)\n(\S*)", pems)
        keys = [(first + second)[BODY : 2 * BODY] for first, second in bodies]
        return sorted({*keys, *(one[2 * BODY : 3 * BODY] for one in encoded)})

    def _search(self, server: str, own: list[str]) -> list[str]:
        question = _question(own, {"roots": ROOTS, "always": ALWAYS})
        words = ("exec", server, "--", PYTHON, "-c", SCRIPT.read_text())
        return self._lab(*words, given=question).stdout.splitlines()

    def _listen(self) -> None:
        """Record the event bus; again after each power cut of the master."""
        while not self._ended.wait(0.5):
            command = [ROOT / "lab/dc", "salt-run", "state.event"]
            with Path(self._kept.name, "event bus").open("ab") as bus:
                self._listener = subprocess.Popen(
                    command, env=self._lab.environment, stdout=bus, stderr=subprocess.DEVNULL
                )
                self._listener.wait()

    def _look(self) -> None:
        """Remember the command line of every process on this machine, but for other labs' servers."""
        known: set[int] = set()
        while not self._ended.wait(0.1):
            now = set(all_processes())
            self._commands |= {
                command_line(one) for one in now - known if lab_of(one) in (self._lab.name, "")
            }
            known = now


def _question(needles: list[str], where: dict[str, list[str]]) -> str:
    return json.dumps({**where, "needles": needles, "token": TOKEN, "shapes": SHAPES})


def witness_of(lab: str) -> Any:
    """Return the fixture of a package whose lab is another fixture of it, of this name."""

    @pytest.fixture(scope="package", name="witness")
    def watching(request: pytest.FixtureRequest) -> Iterator[Witness]:
        """Whoever could overhear the lab from its first day on."""
        with Witness(request.getfixturevalue(lab)) as witness:
            yield witness

    return watching
