"""Renew the leaf certificates of a control plane server, so that it may be cut off at any moment.

kubeadm writes a key, then its certificate, and restarts nothing. So the new ones are made in a staging
directory, checked there, and put into place one file at a time; a marker says that the staging is whole.
Whoever finds that marker puts all of them into place again: what was cut off in between is repaired from it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import yaml
from cryptography import x509

from k8s_lifecycle.cluster import bootstrap_token
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import kubeadm_config
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import certificates, command, durable, kubeadm_unit, remains

DIRECTORY = Path("/var/lib/k8s-lifecycle/certificates")
STAGING = DIRECTORY / "staging"
BACKUPS = DIRECTORY / "backups"
KEPT = 3
SHARED = (
    "ca.crt",
    "ca.key",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
    "sa.key",
    "sa.pub",
)
_PHASE_TIMEOUT = 120


def renew(spec: Spec, server: str, address: str) -> str:
    """Renew all leaf certificates and kubeconfigs; return the name of the back-up of those before."""
    _refuse_external()
    kubeadm_unit.refuse_if_running()
    if not staged():
        _stage(spec, server, address)
    backup = _back_up()
    _put_into_place(STAGING)
    shutil.rmtree(STAGING)
    return backup


def staged() -> bool:
    """Whether a renewal was cut off when its certificates were made, and perhaps some put into place."""
    return (STAGING / "whole").exists()


def put_back(backup: str) -> None:
    """Put the certificates of a back-up into place again."""
    directory = BACKUPS / Path(backup).name
    if not directory.is_dir():
        kept = ", ".join(sorted(path.name for path in BACKUPS.glob("*"))) or "none"
        raise HostError(f"there is no back-up {backup} on this server; kept are: {kept}")
    shutil.rmtree(STAGING, ignore_errors=True)
    _put_into_place(directory)


def _refuse_external() -> None:
    for name in certificates.AUTHORITIES:
        if not (remains.ROOT / f"pki/{name}.key").exists():
            raise HostError(
                f"this server has no {remains.ROOT}/pki/{name}.key: the certificate authority is outside the "
                "cluster, and certificates are renewed there"
            )


def _stage(spec: Spec, server: str, address: str) -> None:
    shutil.rmtree(STAGING, ignore_errors=True)
    for name in SHARED:
        durable.write(STAGING / "pki" / name, (remains.ROOT / "pki" / name).read_bytes())
    documents = kubeadm_config.init_documents(
        spec, server=server, address=address, token=bootstrap_token.new()
    )
    documents[1]["certificatesDir"] = str(STAGING / "pki")
    config = STAGING / "config.yaml"
    durable.write(config, yaml.safe_dump_all(documents, sort_keys=False))
    _phase("certs", "all", config)
    for name in _kubeconfigs():
        _phase("kubeconfig", name, config, "--kubeconfig-dir", str(STAGING))
    _check()
    durable.flush(STAGING)
    durable.write(STAGING / "whole", "")


def _phase(group: str, name: str, config: Path, *flags: str) -> None:
    words = ("kubeadm", "init", "phase", group, name, "--config", str(config), *flags)
    command.output(*words, timeout=_PHASE_TIMEOUT)


def _check() -> None:
    """Every new pair matches, is signed by the cluster's own authority, and no name is lost."""
    for base, issuer in certificates.LEAVES.items():
        if not remains.signed(STAGING, base, issuer):
            raise HostError(f"kubeadm made no whole certificate {base} in {STAGING}: nothing was changed")
        lost = set(_names(remains.ROOT, base)) - set(_names(STAGING, base))
        if lost:
            raise HostError(
                f"the certificate {base} has names that the spec does not ask for: {', '.join(sorted(lost))} "
                "— add them to kubeadm.cluster (certSANs), then run again; nothing was changed"
            )
    for name in _kubeconfigs():
        if not remains.kubeconfig(STAGING, STAGING / f"{name}.conf"):
            raise HostError(f"kubeadm made no whole {name}.conf in {STAGING}: nothing was changed")


def _names(root: Path, base: str) -> list[str]:
    path = root / f"pki/{base}.crt"
    try:
        return certificates.sans(x509.load_pem_x509_certificate(path.read_bytes()))
    except (FileNotFoundError, ValueError):  # it is lost or torn, and so are its names
        return []


def _kubeconfigs() -> list[str]:
    return [name for name in remains.KUBECONFIGS if (remains.ROOT / f"{name}.conf").exists()]


def _files() -> Iterator[str]:
    """Yield what is renewed, below kubeadm's directory: the key of a pair before its certificate."""
    for base in certificates.LEAVES:
        yield f"pki/{base}.key"
        yield f"pki/{base}.crt"
    for name in _kubeconfigs():
        yield f"{name}.conf"


def _put_into_place(source: Path) -> None:
    for name in _files():
        if (source / name).exists():
            mode = 0o644 if name.endswith(".crt") else 0o600
            durable.write(remains.ROOT / name, (source / name).read_bytes(), mode)


def _back_up() -> str:
    """Keep what is in place; the oldest back-ups go. They lie outside the directory of the manifests."""
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for file in _files():
        if (remains.ROOT / file).exists():
            durable.write(BACKUPS / name / file, (remains.ROOT / file).read_bytes())
    for old in sorted(BACKUPS.iterdir())[:-KEPT]:
        shutil.rmtree(old)
    return name
