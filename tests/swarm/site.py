"""A real master with simulated minions on loopback, and a stopwatch for its commands."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import fleet_of_many
import yaml

from k8s_lifecycle.code import fingerprint

TESTS = Path(__file__).parents[1]
CHECKOUT = TESTS.parent
BIN = Path(sys.executable).parent
# What a server takes for its inventory, beyond test.ping: as in the lab, where four at once share two cores.
SECONDS = 0.5
DEADLINE = 120.0


@dataclass(frozen=True)
class Swarm:
    """A master with so many simulated minions."""

    configuration: Path
    servers: int

    def seconds(self, command: str, *words: str) -> tuple[float, str]:
        """Return how long a command of Salt's takes, and what it prints."""
        given = [BIN / command, f"--config-dir={self.configuration}", *words]
        began = time.perf_counter()
        done = subprocess.run(given, capture_output=True, text=True, timeout=DEADLINE, check=False)
        return time.perf_counter() - began, done.stdout

    def medians(self, rounds: int) -> tuple[float, float]:
        """Return what an inventory takes, and what test.ping does: run alternately, so many times each."""
        commands = [("salt-run", "k8s.inventory"), ("salt", "*", "test.ping")]
        times = [[self.seconds(*words)[0] for words in commands] for _ in range(rounds)]
        inventory, ping = (median(column) for column in zip(*times, strict=True))
        return inventory, ping


@contextmanager
def swarm(servers: int, seconds: float = SECONDS) -> Iterator[Swarm]:
    """Run a master, and so many minions, of four clusters that are as they should be."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swarm")))
        publish, answer = _free_ports(2)
        _master(folder, publish, answer)
        _started(stack, [BIN / "salt-master", f"--config-dir={folder}"], folder / "master.log")
        _wait("the master listens", lambda: _listens(answer), folder / "master.log")
        minion = {
            "root_dir": str(folder),
            "pki_dir": str(folder / "minions-pki"),
            "sock_dir": str(folder / "minions"),
            "master_ip": "127.0.0.1",
            "master_uri": f"tcp://127.0.0.1:{answer}",
            "publish_port": publish,
        }
        given = {"minion": minion, "answers": _answers(servers), "seconds": seconds}
        (folder / "swarm.json").write_text(json.dumps(given))
        _started(stack, [sys.executable, "-m", "swarm.minions", folder / "swarm.json"], folder / "swarm.log")
        _wait("all minions listen", lambda: "all" in (folder / "swarm.log").read_text(), folder / "swarm.log")
        yield Swarm(folder, servers)


def _master(folder: Path, publish: int, answer: int) -> None:
    clusters, datacenters = folder / "clusters", folder / "datacenters"
    for directory in (clusters, datacenters):
        directory.mkdir()
    for name, *place in fleet_of_many.CLUSTERS:
        (clusters / f"{name}.yaml").write_text(yaml.safe_dump(fleet_of_many.spec_text(name, *place)))
    for name in {datacenter for _, datacenter, _ in fleet_of_many.CLUSTERS}:
        (datacenters / f"{name}.yaml").write_text(yaml.safe_dump(fleet_of_many.datacenter_text(name)))
    configuration = {
        "root_dir": str(folder),
        "user": "root",
        "interface": "127.0.0.1",
        "publish_port": publish,
        "ret_port": answer,
        "auto_accept": True,
        "module_dirs": [str(CHECKOUT)],
        "outputter_dirs": [str(CHECKOUT / "_output")],
        "ext_pillar": [{"k8s_clusters": str(clusters)}, {"k8s_datacenters": str(datacenters)}],
        "enable_fqdns_grains": False,
        "timeout": 60,
    }
    (folder / "master").write_text(yaml.safe_dump(configuration))


def _answers(servers: int) -> dict[str, Any]:
    own = [fleet_of_many.cluster(*one) for one in fleet_of_many.CLUSTERS]
    answers, _ = fleet_of_many.healthy(own, servers, random.Random(1), time.time())
    return {server: {**said, "code": fingerprint()} for server, said in answers.items()}


def _started(stack: ExitStack, command: Sequence[str | Path], log: Path) -> None:
    with log.open("wb") as file:
        environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{CHECKOUT / '_utils'}"}
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    stack.callback(process.wait)
    stack.callback(process.terminate)


def _wait(what: str, holds: Any, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {DEADLINE:.0f} s: {what}\n{log.read_text()[-4000:]}")
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
