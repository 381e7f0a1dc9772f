"""Consul itself, on loopback, with Debian's binary, as the lab serves it.

It runs with the very files that the states lay out, but for their paths and the address of its HTTP
interface.
"""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from debian_binary import debian_binary
from site_build.pillar_secrets import Secrets

from k8s_lifecycle.discovery import acl, files, store
from k8s_lifecycle.discovery.agent import Agent, AgentError
from k8s_lifecycle.discovery.situation import Situation, situation
from k8s_lifecycle.model import consul, datacenters

ENOUGH = 40.0


def wait_until(what: str, holds: Callable[[], object], seconds: float = ENOUGH) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
            said = ""
        except AgentError as error:
            said = str(error)
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}: {said}"
        time.sleep(0.3)


class Site:
    """The agents of some datacenters, each with one Consul server, called dc1-s in dc1.

    specs: the texts of the datacenters' files, by name. addresses: those of servers, by minion id. nodes: the
    pillar `k8s` of those that are in a cluster.
    """

    def __init__(
        self,
        folder: Path,
        specs: Mapping[str, str],
        addresses: Mapping[str, str],
        nodes: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.folder, self.consul, self.addresses = folder, debian_binary("consul", "consul"), addresses
        self.nodes = nodes or {}
        written = folder / "datacenters"
        written.mkdir()
        for name, text in specs.items():
            (written / f"{name}.yaml").write_text(text)
        self.datacenters = datacenters.load(written)
        assert self.datacenters.problems == []
        made = Secrets(specs, folder)
        self.secrets = {f"{name}-s": {"consul": made.consul_server(name)} for name in specs}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def situation(self, server: str) -> Situation:
        place = self.datacenters.place(server)
        assert place
        pillar = {"k8s_secrets": self.secrets.get(server, {}), "k8s": self.nodes.get(server)}
        return situation(place.to_dict(), pillar, server)

    def management(self, name: str) -> Agent:
        server = f"{name}-s"
        return self.agent(server, self.secrets[server]["consul"]["management_token"])

    def agent(self, server: str, token: str | None = None) -> Agent:
        return Agent(token, f"{self.addresses[server]}:8500")

    def access(self, server: str) -> files.Access:
        return files.access(self.folder / server / "root")

    def credentials(self, server: str) -> store.Credentials:
        """What the state `admitted` gives a Consul server."""
        here = self.situation(server)
        assert here.secrets
        return store.Credentials(
            str(uuid.uuid4()), here.secrets.gossip_key, here.secrets.authority, here.services
        )

    def start(self, server: str, credentials: store.Credentials) -> None:
        own = self.folder / server
        here = self.situation(server)
        object.__setattr__(here, "address", lambda: self.addresses[server])
        texts = files.wanted(here, credentials)
        root = own / "root"
        for path, text in texts.items():
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            moved = text.replace("/etc/consul.d", f"{root}/etc/consul.d")
            target.write_text(moved.replace("/var/lib/consul", str(own / "data")))
        folder = root / "etc/consul.d"
        (folder / "z-loopback.json").write_text(json.dumps({"client_addr": self.addresses[server]}))
        valid = [self.consul, "validate", "-quiet", folder]
        subprocess.run(valid, check=True, capture_output=True)
        log = (own / "log").open("wb")
        command = [self.consul, "agent", "-config-dir", folder]
        self.processes[server] = subprocess.Popen(command, stdout=log, stderr=log)

    def said(self, server: str) -> str:
        return (self.folder / server / "log").read_text()

    def stop(self, server: str) -> None:
        process = self.processes.pop(server)
        process.kill()
        process.wait()

    def stop_all(self) -> None:
        for server in [*self.processes]:
            self.stop(server)

    def start_server(self, name: str) -> None:
        """Start the Consul server of a datacenter and set up its ACLs, as the states do."""
        server = f"{name}-s"
        credentials = self.credentials(server)
        self.start(server, credentials)
        agent = self.management(name)
        agent.wait_until_trusted(ENOUGH)
        assert not acl.catalogue_is_open(agent)
        acl.open_catalogue(agent)
        acl.grant(agent, consul.token(name, server, self.situation(server).services), credentials.token)
