"""Renew the leaf certificates of a control plane server, so that it may be cut off at any moment.

kubeadm writes a key, then its certificate, and restarts nothing. So the new ones are made in a staging
directory, checked there, and put into place one file at a time; a marker says that the staging is whole.
Whoever finds that marker puts all of them into place again: what was cut off in between is repaired from it.
The marker holds the name of the back-up, which was made before anything was put into place.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
WHOLE = DIRECTORY / "staging-is-whole"
LOCK = DIRECTORY / "lock"
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
    refuse_external()
    kubeadm_unit.refuse_if_running()
    with durable.alone(LOCK):
        if not (staged() and _is_whole(STAGING)):
            _stage(spec, server, address)
        backup = WHOLE.read_text(encoding="ascii")
        _put_into_place(STAGING)
        _discard_staging()
    return backup


def staged() -> bool:
    """Whether a renewal was cut off when its certificates were made, and perhaps some put into place."""
    return WHOLE.exists()


def put_back(backup: str) -> None:
    """Put the certificates of a back-up into place again, unless they are worse than those in place."""
    directory = BACKUPS / Path(backup).name
    if not directory.is_dir():
        kept = ", ".join(sorted(path.name for path in BACKUPS.glob("[0-9]*"))) or "none"
        raise HostError(f"there is no back-up {backup} on this server; kept are: {kept}")
    with durable.alone(LOCK):
        if not _is_usable(directory):
            raise HostError(f"those of {backup} have expired or are not whole: the new ones stay in place")
        _discard_staging()
        _put_into_place(directory)


def refuse_external() -> None:
    """Raise an error where certificates are not this server's to make."""
    if external := remains.external_authorities():
        raise HostError(
            f"this server has no key of the certificate authority {', '.join(external)}: it is outside the "
            "cluster, and certificates are made there"
        )


def _stage(spec: Spec, server: str, address: str) -> None:
    """Make new certificates and check them, back up those in place, then say that the staging is whole."""
    _discard_staging()
    try:
        for name in SHARED:
            durable.write(STAGING / "pki" / name, (remains.ROOT / "pki" / name).read_bytes())
        config = STAGING / "config.yaml"
        durable.write(config, yaml.safe_dump_all(_documents(spec, server, address), sort_keys=False))
        _phase("certs", "all", config)
        for name in _kubeconfigs():
            _phase("kubeconfig", name, config, "--kubeconfig-dir", str(STAGING))
        _refuse_torn()
        backup = _back_up()
        durable.flush(STAGING)
        durable.write(WHOLE, backup)
    except BaseException:
        _discard_staging()  # the keys of the CAs are in it
        raise


def _refuse_torn() -> None:
    if not _is_whole(STAGING):
        raise HostError(f"kubeadm made certificates in {STAGING} that are not whole: nothing was changed")


def _documents(spec: Spec, server: str, address: str) -> list[dict[str, Any]]:
    """Return kubeadm's configuration, which keeps every name that a certificate has now.

    Somebody may have added names by hand, or the server may have had another address.
    """
    documents = kubeadm_config.init_documents(
        spec, server=server, address=address, token=bootstrap_token.new()
    )
    cluster = documents[1]
    cluster["certificatesDir"] = str(STAGING / "pki")
    etcd = cluster.setdefault("etcd", {}).setdefault("local", {})
    for place, field, base in (
        (cluster["apiServer"], "certSANs", "apiserver"),
        (etcd, "serverCertSANs", "etcd/server"),
        (etcd, "peerCertSANs", "etcd/peer"),
    ):
        place[field] = list(dict.fromkeys([*place.get(field, ()), *_names(base)]))
    return documents


def _phase(group: str, name: str, config: Path, *flags: str) -> None:
    words = ("kubeadm", "init", "phase", group, name, "--config", str(config), *flags)
    command.output(*words, timeout=_PHASE_TIMEOUT)


def _is_whole(directory: Path) -> bool:
    """Whether every new pair matches, and the authorities of this server have signed it."""
    same = all(
        (directory / f"pki/{name}.crt").read_bytes() == (remains.ROOT / f"pki/{name}.crt").read_bytes()
        for name in certificates.AUTHORITIES
    )
    pairs = (remains.signed(directory, base, issuer) for base, issuer in certificates.LEAVES.items())
    configs = (remains.kubeconfig(directory, directory / f"{name}.conf") for name in _kubeconfigs())
    return same and all(pairs) and all(configs)


def _is_usable(directory: Path) -> bool:
    """Whether the certificates of a back-up match their keys, and are valid still."""
    now = datetime.now(UTC)
    for base in certificates.LEAVES:
        certificate, key = ((directory / f"pki/{base}.{end}").read_bytes() for end in ("crt", "key"))
        found = x509.load_pem_x509_certificate(certificate)
        if found.not_valid_after_utc <= now or not remains.match(certificate, key):
            return False
    return True


def _names(base: str) -> list[str]:
    path = remains.ROOT / f"pki/{base}.crt"
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
    draft = BACKUPS / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    for file in _files():
        if (remains.ROOT / file).exists():
            durable.write(draft / file, (remains.ROOT / file).read_bytes())
    durable.flush(draft)
    draft.rename(BACKUPS / name)
    for old in sorted(BACKUPS.glob("[0-9]*"))[:-KEPT]:
        shutil.rmtree(old)
    return name


def _discard_staging() -> None:
    WHOLE.unlink(missing_ok=True)  # first: what is left of it after a cut is no staging any more
    shutil.rmtree(STAGING, ignore_errors=True)
