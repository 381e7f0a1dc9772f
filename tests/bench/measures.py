"""What is measured: each measure times the product and what it is held against on the same servers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import baseline
import documented_rotation
from baseline_files import Site
from servers import execute, fresh_servers, lab
from swarm.site import SECONDS, swarm

ROUNDS = 9
MANY = 300
# On the master, so that nothing but the commands is timed.
STOPWATCH = """
import json, subprocess, sys, time
rounds, commands = json.load(sys.stdin)
def seconds(command):
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began
print(json.dumps([[seconds(command) for command in commands] for _ in range(rounds)]))
"""


@dataclass(frozen=True)
class Figure:
    """A figure, what it should be at most, and how it was measured."""

    name: str
    value: float
    goal: float
    unit: str
    how: str

    @property
    def reached(self) -> bool:
        """Whether the figure is as good as it should be."""
        return self.value <= self.goal


def all_figures(site: Site) -> list[Figure]:
    """Provision fresh servers, do it again, rotate certificates; then fresh ones by bare commands.

    The product comes first: what the machine has read by then from its disk is to the advantage of the other.
    """
    with fresh_servers():
        product = _seconds("k8s.provision", lambda: lab("salt-run", "k8s.provision", site.spec.name))
        noop = _noop(site)
        rotation = _rotation(site)
    with fresh_servers():
        bare = _seconds("bare commands", lambda: baseline.provision(site))
    how = (
        f"wall-clock time of `salt-run k8s.provision {site.spec.name}` on {len(site.control_planes)} control "
        f"planes and {len(site.workers)} workers, bare servers of a lab just started: {product:.1f} s, "
        f"over that of tests/bench/baseline.py on the same servers, started anew: {bare:.1f} s"
    )
    return [Figure("provision / bare commands", product / bare, 1.3, "ratio", how), noop, rotation]


def inventory_of_many() -> Figure:
    """Take the inventory of many simulated minions; the master, its bus and the commands are real."""
    with swarm(MANY) as many:
        inventory, ping = many.medians(ROUNDS)
    how = (
        f"median wall-clock time of `salt-run k8s.inventory`: {inventory:.2f} s, over that of `salt '*' "
        f"test.ping`: {ping:.2f} s; alternately, {ROUNDS} times each, on a real master with {MANY} simulated "
        f"minions (tests/swarm): real connections, keys and encryption, and answers made before, that of the "
        f"inventory given after {SECONDS} s"
    )
    return Figure(f"inventory of {MANY} simulated minions / test.ping", inventory / ping, 2.0, "ratio", how)


def _noop(site: Site) -> Figure:
    servers = ",".join(site.addresses)
    commands = [
        ["salt-run", "k8s.provision", site.spec.name],
        ["salt", "--list", servers, "test.ping"],
    ]
    given = json.dumps([ROUNDS, commands]).encode()
    times = json.loads(execute("master", 'python3 -c "$1"', STOPWATCH, given=given))
    provision, ping = (median(column) for column in zip(*times, strict=True))
    how = (
        f"median wall-clock time of the command `{' '.join(commands[0])}` when there is nothing to do: "
        f"{provision:.2f} s, over that of `{' '.join(commands[1])}`: {ping:.2f} s; timed on the master, "
        f"alternately, {ROUNDS} times each"
    )
    return Figure("no-op provision / test.ping", provision / ping, 2.0, "ratio", how)


def _rotation(site: Site) -> Figure:
    command = ("salt-run", "k8s.rotate_certs", site.spec.name, "older_than=0")
    product = _seconds("k8s.rotate_certs", lambda: lab(*command))
    bare = _seconds("kubeadm certs renew all", lambda: documented_rotation.rotate(site))
    how = (
        f"wall-clock time of `{' '.join(command)}`: {product:.1f} s, over that of kubeadm's documented way "
        f"(tests/bench/documented_rotation.py) on the same servers: {bare:.1f} s"
    )
    return Figure("certificate rotation / kubeadm's documented way", product / bare, 0.8, "ratio", how)


def _seconds(what: str, act: Callable[[], None]) -> float:
    print(f"{what} ...", file=sys.stderr, flush=True)
    began = time.monotonic()
    act()
    return time.monotonic() - began
