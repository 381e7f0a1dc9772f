"""What is laid out on a server without the product, from the same functions that the product has it from."""

from __future__ import annotations

import io
import json
import secrets
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jinja2
import yaml
from servers import LAYOUT, ROOT

from k8s_lifecycle.cluster import bootstrap_token
from k8s_lifecycle.model import addon, kubeadm_config
from k8s_lifecycle.model import spec as specs
from k8s_lifecycle.server import containerd, desired, endpoint

KUBEADM = "/root/kubeadm.yaml"
INTERFACE = "host0"


@dataclass(frozen=True)
class Site:
    """A cluster's spec, its servers' addresses, and the secrets that kubeadm's own way of joining takes."""

    spec: specs.Spec
    addresses: Mapping[str, str]
    token: str = field(default_factory=bootstrap_token.new)
    certificate_key: str = field(default_factory=lambda: secrets.token_hex(32))

    @property
    def control_planes(self) -> tuple[str, ...]:
        """The control planes; the first one initialises."""
        return tuple(self.spec.control_plane.servers)

    @property
    def workers(self) -> tuple[str, ...]:
        """The servers that are no control planes."""
        return tuple(server for server in self.addresses if server not in self.control_planes)

    def packages(self, server: str) -> list[str]:
        """Return the packages of a server, as apt-get takes them."""
        wanted = self._desired(server)["packages"]
        pinned = [f"{name}={version}" for name, version in wanted["pinned"].items()]
        return [*pinned, *wanted["helpers"]]

    def repository_key(self, server: str) -> tuple[str, str]:
        """Return where the key of the apt repository comes from and goes to."""
        repository = self._desired(server)["repository"]
        return repository["key"], repository["keyring"]

    def files(self, server: str) -> bytes:
        """Return every file that a server needs before its packages, as a tar archive."""
        wanted = self._desired(server)
        registries = {
            f"{containerd.REGISTRIES}/{name}/hosts.toml": text for name, text in wanted["registries"].items()
        }
        patches = {f"{kubeadm_config.PATCHES}/{name}": text for name, text in wanted["patches"].items()}
        settings = "".join(f"-{name} = {value}\n" for name, value in wanted["kernel"]["settings"].items())
        return _archive(
            {
                "/etc/sysctl.d/90-k8s.conf": settings,
                "/etc/apt/sources.list.d/k8s.sources": wanted["repository"]["source"],
                containerd.CONFIG: wanted["containerd"],
                KUBEADM: yaml.safe_dump_all(self._kubeadm(server), sort_keys=False),
                **registries,
                **patches,
                **(self._endpoint(wanted["endpoint"], server) if wanted["endpoint"] else {}),
            }
        )

    def network_addon(self) -> bytes:
        """Return the objects of the network addon, as kubectl takes them."""
        items = addon.manifests(self.spec)
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()

    def _desired(self, server: str) -> dict[str, Any]:
        role, pool = self.spec.role_of(server), self.spec.pool_of(server)
        return desired.desired(self.spec, role, pool, installed={}, sets_clock=False)

    def _kubeadm(self, server: str) -> list[dict[str, Any]]:
        """Return kubeadm's documents, with a token and uploaded certificates in the place of an admission."""
        address = self.addresses[server]
        if server == self.control_planes[0]:
            first, *others = kubeadm_config.init_documents(
                self.spec, server=server, address=address, token=self.token
            )
            token = {"bootstrapTokens": [{"token": self.token}]}
            return [{**first, **token, "certificateKey": self.certificate_key}, *others]
        role = self.spec.role_of(server)
        (document,) = kubeadm_config.join_documents(
            self.spec, server=server, role=role, address=address, discovery_file="", token=self.token
        )
        document["nodeRegistration"]["taints"] = [
            taint
            for taint in document["nodeRegistration"]["taints"]
            if taint["key"] != kubeadm_config.STARTUP_TAINT
        ]
        document["discovery"] = {
            "bootstrapToken": {
                "token": self.token,
                "apiServerEndpoint": self.spec.control_plane.endpoint.authority,
                "unsafeSkipCAVerification": True,
            }
        }
        if "controlPlane" in document:
            document["controlPlane"]["certificateKey"] = self.certificate_key
        return [document]

    def _endpoint(self, layout: Mapping[str, Any], server: str) -> dict[str, str]:
        addresses = {name: self.addresses[name] for name in self.control_planes}
        own = addresses[server]
        context = {
            "endpoint": layout,
            "addresses": addresses,
            "interface": INTERFACE,
            "own": own,
            "others": [address for address in addresses.values() if address != own],
        }
        return {
            endpoint.HAPROXY: _rendered("haproxy.cfg", context),
            endpoint.KEEPALIVED: _rendered("keepalived.conf", context),
        }


def load(cluster: str) -> Site:
    """Return the cluster of the lab's pillar on the servers of the benchmarks' layout."""
    servers = yaml.safe_load(LAYOUT.read_text())["servers"]
    spec = specs.load(ROOT / "lab/pillar/clusters").spec(cluster)
    return Site(spec, {name: server["address"] for name, server in servers.items()})


def _rendered(name: str, context: Mapping[str, Any]) -> str:
    template = (ROOT / f"states/k8s/files/{name}.jinja").read_text()
    # As Salt renders a managed file.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"])  # noqa: S701
    return environment.from_string(template).render(context) + "\n"


def _archive(files: Mapping[str, str]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o600 if path == KUBEADM else 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return archive.getvalue()
