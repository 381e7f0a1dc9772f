"""The secrets of the site's pillar: made once, kept under build/, given to servers by their minion ids."""

import base64
import os
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from datacenter.command import run

from site_build.artifact import Artifact, Say
from site_build.component import COMPONENTS
from site_build.digest import digest_of

DATACENTERS = COMPONENTS.parent / "pillar" / "datacenters"
DAYS = "3650"
_CODE = Path(__file__)
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_AUTHORITY = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")


def make_pillar_secrets(build_dir: Path, say: Say) -> Artifact:
    """Return a directory with a pillar SLS `secrets/ID.sls` for each Consul server of the lab."""

    def fill(target: Path) -> None:
        target.chmod(0o700)
        (target / "secrets").mkdir()
        for server, secrets in consul_secrets(_consul_servers()).items():
            content = yaml.safe_dump({"k8s_secrets": secrets})
            (target / "secrets" / f"{server}.sls").write_text(content)

    return Artifact(build_dir / "secrets", digest_of(DATACENTERS, _CODE)).make(fill, say)


def consul_secrets(servers: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the pillar `k8s_secrets` of Consul servers, whose datacenters are given by minion id."""
    gossip_key = base64.b64encode(os.urandom(32)).decode()
    management = {datacenter: str(uuid.uuid4()) for datacenter in servers.values()}
    with tempfile.TemporaryDirectory(prefix="site-build-") as folder:
        authority = Path(folder, "authority")
        run(
            "openssl", "req", "-x509", *_CURVE, "-keyout", f"{authority}.key", "-out", f"{authority}.pem",
            "-subj", "/CN=Consul authority", "-days", DAYS, *_extensions(*_AUTHORITY),
        )  # fmt: skip
        return {
            server: {
                "consul": {
                    "gossip_key": gossip_key,
                    "management_token": management[datacenter],
                    "authority": Path(f"{authority}.pem").read_text(),
                    **_certificate(authority, Path(folder, server), f"server.{datacenter}.consul"),
                }
            }
            for server, datacenter in servers.items()
        }


def _certificate(authority: Path, path: Path, name: str) -> dict[str, str]:
    """Return a certificate for a Consul server and its key, as their texts."""
    names = f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"
    usage = ("basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth")
    run(
        "openssl", "req", "-x509", *_CURVE, "-keyout", f"{path}.key", "-out", f"{path}.pem",
        "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
        "-subj", f"/CN={name}", "-days", DAYS, *_extensions(names, *usage),
    )  # fmt: skip
    return {"certificate": Path(f"{path}.pem").read_text(), "key": Path(f"{path}.key").read_text()}


def _extensions(*extensions: str) -> list[str]:
    return [word for extension in extensions for word in ("-addext", extension)]


def _consul_servers() -> dict[str, str]:
    specs = {file.stem: yaml.safe_load(file.read_text()) for file in sorted(DATACENTERS.glob("*.yaml"))}
    return {server: name for name, spec in specs.items() for server in spec["consul"]["servers"]}
