"""A real master and minions from the checkout, on loopback.

The minions are this machine, so nothing here may converge it: the SLS that does, k8s.server, is shadowed by
one that does nothing; no cluster has a control plane that answers, so that no join gets as far as a server;
and the minions' systemctl knows no service.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import salt.client
import salt.config
import salt.fileserver
from saltfactories.daemons.master import SaltMaster
from saltfactories.daemons.minion import SaltMinion

CHECKOUT = Path(__file__).parents[2]
HARMLESS = "nothing:\n  test.nop\n"
SYSTEMCTL = """#!/bin/sh
if [ "$1" = show ]; then
    shift
    for service; do
        test "$service" = "${service#--}" && printf 'LoadState=not-found\nActiveState=inactive\n\n'
    done
    exit 0
fi
shift
for service; do echo inactive; done
exit 3
"""
SPEC = """
datacenter: dc1
environment: prod
kubernetes: {version: 1.37.2}
control_plane:
  servers: [dc1-cp-1]
  endpoint: {address: 10.11.0.100, virtual_router_id: 51}
pools:
  general: {servers: ["dc1-w-*"], grains: {datacenter: dc1}}
network_addon: {kind: none}
packages: {containerd: {version: 2.3.7-1}}
"""

StartMinion = Callable[..., SaltMinion]
Ask = Callable[..., Any]


@pytest.fixture(scope="session")
def salt_factories_default_root_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the master and the minions live."""
    return tmp_path_factory.mktemp("salt")


@pytest.fixture(scope="session")
def master(salt_factories: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SaltMaster]:
    """A master as a site would configure it for a checkout."""
    clusters, harmless = tmp_path_factory.mktemp("clusters"), tmp_path_factory.mktemp("harmless")
    (clusters / "dc1-prod.yaml").write_text(SPEC)
    (harmless / "k8s").mkdir()
    (harmless / "k8s/server.sls").write_text(HARMLESS)
    factory: SaltMaster = salt_factories.salt_master_daemon(
        "k8s-master",
        overrides={
            "module_dirs": [str(CHECKOUT)],
            "pillar_dirs": [str(CHECKOUT / "_pillar")],
            "outputter_dirs": [str(CHECKOUT / "_output")],
            "file_roots": {"base": [str(harmless), str(CHECKOUT / "states")]},
            "ext_pillar": [{"k8s_clusters": str(clusters)}],
            "reactor": [{"k8s/join/ask": ["salt://k8s/reactor/join.sls"]}],
            "engines": [{"k8s_joins": {}}],
            "log_level_logfile": "info",
            "enable_fqdns_grains": False,
            "timeout": 20,
        },
    )
    files = salt.fileserver.Fileserver(salt.config.master_config(factory.config_file))
    found = files.find_file("k8s/server.sls", "base")["path"]
    assert Path(found).is_relative_to(harmless), "a highstate of a minion would converge this machine"
    with factory.started():
        yield factory


@pytest.fixture(scope="session")
def ask(master: SaltMaster) -> Ask:
    """A function that calls one on a minion and returns its answer."""
    client = salt.client.LocalClient(master.config_file)

    def asked(minion: SaltMinion, function: str, *arguments: Any, **named: Any) -> Any:
        answers = client.cmd(minion.id, function, arguments, kwarg=named, timeout=120)
        assert minion.id in answers, f"{minion.id} does not answer {function}"
        return answers[minion.id]

    return asked


@pytest.fixture(scope="session")
def start_minion(master: SaltMaster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartMinion]:
    """A function that starts a minion of the master's, with its configuration; all are stopped at the end."""
    started: list[SaltMinion] = []
    programs = tmp_path_factory.mktemp("programs")
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)

    def start(name: str, **configuration: Any) -> SaltMinion:
        common = {"enable_fqdns_grains": False, "log_level_logfile": "info"}
        minion = master.salt_minion_daemon(name, overrides={**common, **configuration})
        minion.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
        minion.start()
        started.append(minion)
        return minion

    yield start
    for minion in started:
        minion.terminate()


@pytest.fixture(scope="session")
def worker(start_minion: StartMinion) -> SaltMinion:
    """A minion whose id and grains the pool allows."""
    return start_minion("dc1-w-1", grains={"datacenter": "dc1", "k8s_role": "worker"})
