"""The secrets of the site's pillar: made once, kept under build/, given to servers by their minion ids."""

import base64
import crypt
import fnmatch
import os
import secrets
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from datacenter.layout import load
from datacenter.paths import LAYOUTS

from site_build import certificates
from site_build.artifact import Artifact, Say
from site_build.certificates import Authority
from site_build.component import COMPONENTS
from site_build.digest import digest_of

DATACENTERS = COMPONENTS.parent / "pillar" / "datacenters"
# As few as bcrypt allows: the lab's two cores check it with every question.
_ROUNDS = 16

Spec = Mapping[str, Any]


def make_pillar_secrets(build_dir: Path, say: Say) -> Artifact:
    """Return a directory with a pillar SLS `secrets/ID.sls` for each server of the lab that has any."""

    def fill(target: Path) -> None:
        target.chmod(0o700)
        (target / "secrets").mkdir()
        with tempfile.TemporaryDirectory(prefix="site-build-") as directory:
            for server, found in Secrets(_specs(), Path(directory)).of_all(_addresses()):
                content = yaml.safe_dump({"k8s_secrets": found})
                (target / "secrets" / f"{server}.sls").write_text(content)

    code = (Path(__file__), Path(certificates.__file__))
    return Artifact(build_dir / "secrets", digest_of(DATACENTERS, LAYOUTS, *code)).make(fill, say)


class Secrets:
    """Those of all datacenters, whose specs are given by name."""

    def __init__(self, specs: Mapping[str, Spec], directory: Path) -> None:
        self.specs = specs
        self.gossip_key = base64.b64encode(os.urandom(32)).decode()
        self.management = {name: str(uuid.uuid4()) for name in specs}
        self.to_central = {name: secrets.token_urlsafe() for name in specs}
        # A password opens one kind of thing only: who is asked with it learns it.
        self.password, self.node_exporter, self.exporter = (secrets.token_urlsafe() for _ in range(3))
        self.consul = Authority("Consul", directory).create()
        self.monitoring = Authority("monitoring", directory).create()

    def of_all(self, addresses: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield servers with their pillar `k8s_secrets`; those that have none are left out."""
        for server, address in addresses.items():
            for datacenter, spec in self.specs.items():
                matches = any(fnmatch.fnmatchcase(server, glob) for glob in spec["servers"])
                if matches and (found := dict(self._of(server, address, datacenter, spec))):
                    yield server, found

    def _of(
        self, server: str, address: str, datacenter: str, spec: Spec
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        monitoring = spec["monitoring"]
        if server in spec["consul"]["servers"]:
            yield "consul", self.consul_server(datacenter)
        if monitoring.get("node_exporter", {}).get("tls"):
            yield "node_exporter", self._shown(server, address, {"prometheus": self.node_exporter})
        if server in monitoring["prometheus"]["servers"]:
            central = {"authority": self.monitoring.certificate, "password": self.to_central[datacenter]}
            own = {"node_exporter": self.node_exporter, "central": central}
            yield (
                "prometheus",
                {
                    **self._shown(server, address, {"prometheus": self.password}),
                    **self._asks(),
                    **own,
                },
            )
        if server in monitoring.get("central", {}).get("servers", {}):
            yield "prometheus", {**self._shown(server, address, self.to_central), **self._asks()}
        services = spec["consul"].get("services", {}).values()
        if kinds := [one["exporter"] for one in services if one.get("exporter") and server in one["servers"]]:
            users = {"mysqld": {"user": "exporter"}}
            yield "exporters", {kind: {**users.get(kind, {}), "password": self.exporter} for kind in kinds}

    def consul_server(self, datacenter: str) -> dict[str, Any]:
        """Return those of one more Consul server of a datacenter."""
        name = f"server.{datacenter}.consul"
        return {
            "gossip_key": self.gossip_key,
            "management_token": self.management[datacenter],
            "authority": self.consul.certificate,
            **self.consul.sign(name, f"DNS:{name}", "DNS:localhost", "IP:127.0.0.1"),
        }

    def _shown(self, server: str, address: str, passwords: Mapping[str, str]) -> dict[str, Any]:
        return {
            **self.monitoring.sign(server, f"IP:{address}"),
            "users": {user: _bcrypt(password) for user, password in passwords.items()},
        }

    def _asks(self) -> dict[str, str]:
        return {"authority": self.monitoring.certificate, "password": self.password}


def _bcrypt(password: str) -> str:
    salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=_ROUNDS)  # noqa: S324 - it is bcrypt
    return crypt.crypt(password, salt)


def _specs() -> dict[str, Spec]:
    return {file.stem: yaml.safe_load(file.read_text()) for file in sorted(DATACENTERS.glob("*.yaml"))}


def _addresses() -> dict[str, str]:
    layouts = [load(file) for file in sorted(LAYOUTS.glob("*.yaml"))]
    return {server.id: server.address for layout in layouts for server in layout.minions}
