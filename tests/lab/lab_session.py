"""The lab as the tests use it: its command, and what is asked again and again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# Two cores play all servers: a minion that is busy may need long to say so, and Salt gives it up then.
PATIENTLY = ("--timeout=300",)


@dataclass(frozen=True)
class Lab:
    """The command of the lab with a name, as a person types it; labs of other names may be up beside it."""

    name: str = os.environ.get("LAB_NAME", "k8slab")

    def named(self, name: str) -> Lab:
        """Return another lab: not the one that a person may have up."""
        return replace(self, name=name)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of its command."""
        return {**os.environ, "LAB_NAME": self.name}

    def __call__(
        self, *words: str, check: bool = True, timeout: float = 900, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `lab/dc WORDS` with an input; with check, a failure fails the test with what it said."""
        done = subprocess.run(
            [ROOT / "lab/dc", *words],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(
                f"lab/dc {' '.join(words)}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `lab/dc WORDS` and return its process."""
        return subprocess.Popen(
            [ROOT / "lab/dc", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def up(self, layout: Path) -> Iterator[Lab]:
        """Boot the servers of a layout, each on an empty disk; leave nothing of them."""
        self("down")
        try:
            self("up", str(layout))
            yield self
        finally:
            self("down")

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

    def apply(self, server: str, *manifests: dict[str, Any]) -> None:
        """Apply manifests with a control plane's own credentials."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
        self("exec", server, "--", *kubectl, "apply", "-f", "-", given=given)

    def salt(self, server: str, function: str, *words: str) -> Any:
        """Run an execution function on one server and return what it returned."""
        done = self("salt", server, function, *words, *PATIENTLY, "--out=json", "--static", check=False)
        said = done.stdout
        if server not in (found := data_in(said)):
            pytest.fail(f"salt {server} {function}: {done.returncode}\n{said[-4000:]}\n{done.stderr[-4000:]}")
        return found[server]

    def salts(self, servers: list[str], function: str, *words: str) -> dict[str, Any]:
        """Run an execution function on several servers at once and return what each returned."""
        targets = ("-L", ",".join(servers))
        done = self("salt", *targets, function, *words, *PATIENTLY, "--out=json", "--static", check=False)
        found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
        return found

    @contextmanager
    def by_hand(self, server: str, do: str, undo: str) -> Iterator[None]:
        """Have somebody do something in a shell of a server, and take it back."""
        self("exec", server, "--", "sh", "-euc", do)
        try:
            yield
        finally:
            self("exec", server, "--", "sh", "-euc", undo)

    @contextmanager
    def another_grain(self, server: str, grain: str, value: str, other: str) -> Iterator[None]:
        """Have a server say something else of itself: in its configuration, which outweighs grains.setval."""
        change = f"sed -i 's/{grain}: {{}}$/{grain}: {{}}/' /etc/salt/minion; systemctl restart salt-minion"
        with self.by_hand(server, change.format(value, other), change.format(other, value)):
            self.wait_for_minions(server)
            yield
        self.wait_for_minions(server)

    def wait_for_minions(self, target: str) -> None:
        """Wait until the minions of a glob answer. `salt` would wait 15 s for each that does not yet."""

        def answer() -> bool:
            asked = ("manage.status", f"tgt={target}", "timeout=4", "gather_job_timeout=2", "--out=json")
            said = self("salt-run", *asked, check=False).stdout
            found = data_in(said)
            return bool(found.get("up")) and not found["down"]

        wait_until(f"{target} to answer", answer, 120)

    def drift(self, datacenter: str) -> set[tuple[str, str, str]]:
        """Return what the inventory of a datacenter says: server, kind and text."""
        rows = self.run("k8s.inventory", f"datacenter={datacenter}", check=False)["servers"]
        return {(row["server"], one["kind"], one["what"]) for row in rows for one in row["drift"]}

    def processes(self, server: str, words: str) -> list[int]:
        """Return a server's processes whose command line has a match of these words, at once."""
        groups = [where for where, _, _ in os.walk(f"/sys/fs/cgroup/freezer/{self.name}/{server}")]
        pids = {int(pid) for group in groups for pid in text_of(f"{group}/cgroup.procs").split()}
        return [pid for pid in sorted(pids) if re.search(words, command_line(pid))]

    def nodes(self, server: str) -> dict[str, dict[str, Any]]:
        """Return the Node objects by name."""
        found = json.loads(self.kubectl(server, "get", "nodes", "-o", "json"))["items"]
        return {node["metadata"]["name"]: node for node in found}


def all_processes() -> list[int]:
    """Return every process of this machine, which are those of every server."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - it is asked often


def command_line(pid: int) -> str:
    """Return the words of a process."""
    return text_of(f"/proc/{pid}/cmdline").replace("\0", " ")


def lab_of(pid: int) -> str:
    """Return the name of the lab whose server a process runs on; nothing if it is the machine's own."""
    found = re.search(r":freezer:/([^/\n]+)/", text_of(f"/proc/{pid}/cgroup"))
    return found[1] if found else ""


def text_of(path: str) -> str:
    """Return what the kernel says in a file; nothing once what it tells of has ended."""
    try:
        with open(path, errors="replace") as file:  # noqa: PTH123 - it is asked often
            return file.read()
    except OSError:
        return ""


def own_layout(name: str, directory: Path, **changes: Any) -> Path:
    """Write a copy of a layout with a copy of its pillar, which the test may change; return its path."""
    kept = ROOT / "lab/layouts"
    layout = yaml.safe_load((kept / f"{name}.yaml").read_text())
    paths = {
        key: str((kept / layout[key]).resolve())
        for key in ("master_config", "minion_config")
        if key in layout
    }
    pillar = shutil.copytree(kept / layout["pillar"], directory / "pillar")
    path = directory / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**layout, **paths, "pillar": str(pillar), **changes}))
    return path


def own_cluster(directory: Path) -> Path:
    """Write the demo's first datacenter alone, with a highly available cluster and nothing beside it."""
    servers = yaml.safe_load((ROOT / "lab/layouts/demo.yaml").read_text())["servers"]
    here = {name: place for name, place in servers.items() if place["datacenter"] == "dc1"}
    # The runner synchronises the minions first. Each state.apply would do it again, which takes seconds.
    minion = directory / "minion.yaml"
    minion.write_text("autoload_dynamic_modules: False\n")
    layout = without_datacenters(own_layout("demo", directory, servers=here, minion_config=str(minion)))
    (directory / "pillar/clusters/dc2-prod.yaml").unlink()
    return layout


def without_datacenters(layout: Path) -> Path:
    """Take monitoring and Consul, which have tests of their own, out of the pillar of an own layout."""
    for spec in (layout.parent / "pillar/datacenters").glob("*.yaml"):
        spec.unlink()
    (layout.parent / "pillar/top.sls").unlink()  # it gives secrets of Consul, which the master caches
    return layout


def change_spec(layout: Path, cluster: str, setting: str, value: Any) -> None:
    """Set one setting of a cluster's spec, named by its path, in the pillar of an own layout."""
    path = layout.parent / f"pillar/clusters/{cluster}.yaml"
    spec = yaml.safe_load(path.read_text())
    *parents, name = setting.split(".")
    within = spec
    for parent in parents:
        within = within.setdefault(parent, {})
    within[name] = value
    path.write_text(yaml.safe_dump(spec))


def data_in(said: str) -> dict[str, Any]:
    """Return the data that a command of Salt printed after its warnings; nothing if it printed none."""
    found: dict[str, Any] = json.loads(said[said.index("{") :]) if "{" in said else {}
    return found


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
