"""Mint an admission on a control plane server."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

import k8s_lifecycle
from k8s_lifecycle.cluster import approver, bootstrap_token, sealing, servers, view
from k8s_lifecycle.cluster.admission import Material
from k8s_lifecycle.cluster.api import Api
from k8s_lifecycle.errors import HostError
from k8s_lifecycle.model import kubeadm_config
from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.model.versions import Version
from k8s_lifecycle.server import addresses, command, kubeadm_unit, renewal

PKI = Path("/etc/kubernetes/pki")
AUTHORITIES = ("ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.crt", "front-proxy-ca.key")
ETCD_AUTHORITY = ("etcd/ca.crt", "etcd/ca.key")
DISCOVERY = "discovery.conf"


@dataclass(frozen=True)
class Applicant:
    """The server that asks to be admitted, and as what."""

    server: str
    node: str
    role: str
    pool: str | None
    public: str
    addresses: tuple[str, ...]


def mint(api: Api, spec: Spec, applicant: Applicant, expires: int) -> dict[str, str]:
    """Return the sealed box for an applicant and the id of its token, whose certificate gets approved."""
    _refuse_wrong_role(spec, applicant)
    renewal.refuse_external()
    _refuse_newer(spec, view.version(api))
    own = addresses.outside(spec, applicant.addresses)
    if not own:
        raise HostError(f"{applicant.server} has none of its own among {', '.join(applicant.addresses)}")
    token = bootstrap_token.new()
    token_id = token.partition(".")[0]
    label = sealing.Label(applicant.server, spec.name, applicant.role, expires)
    box = _material(spec, applicant, own[0], token).seal(applicant.public, label)
    _revoke_earlier(api, applicant.server)
    servers.record(api, applicant.node, applicant.server, own)
    bootstrap_token.create(
        api, token, expires, f"admits {applicant.server} as {applicant.node}", _annotations(applicant)
    )
    try:
        _start_approver(token_id, expires)
    except RuntimeError:
        api.delete(bootstrap_token.path(token_id))
        raise
    return {"box": box, "token_id": token_id}


def _refuse_wrong_role(spec: Spec, applicant: Applicant) -> None:
    """The minion id authorises, nothing else that a server says of itself."""
    server = applicant.server
    allowed = spec.role_of(server), spec.pool_of(server), spec.node_name(server)
    asked = applicant.role, applicant.pool, applicant.node
    if allowed != asked:
        raise HostError(
            f"{spec.name} has {server} as {_words(*allowed)}, it asked for {_words(*asked)}: correct the "
            "spec, or ask for what it allows"
        )


def _words(role: str | None, pool: str | None, node: str) -> str:
    return f"{role or 'no server of its'}{f' of pool {pool}' if pool else ''} called {node}"


def _refuse_newer(spec: Spec, running: Version) -> None:
    """A kubelet must not be newer than its API server, and kubeadm's join does not object to one."""
    if spec.version > running:
        raise HostError(
            f"the server is prepared for {spec.version}, the cluster runs {running}: prepare it for that, or "
            " upgrade the cluster first"
        )


def _material(spec: Spec, applicant: Applicant, address: str, token: str) -> Material:
    documents = kubeadm_config.join_documents(
        spec,
        server=applicant.server,
        role=applicant.role,
        address=address,
        discovery_file=str(kubeadm_unit.INPUT / DISCOVERY),
        token=token,
    )
    discovery = kubeadm_config.discovery_kubeconfig(spec, (PKI / "ca.crt").read_text())
    shared = (*AUTHORITIES, *ETCD_AUTHORITY) if applicant.role == "control-plane" else ()
    pki = {name: (PKI / name).read_text() for name in shared}
    return Material(documents, {DISCOVERY: yaml.safe_dump(discovery)}, pki)


def _annotations(applicant: Applicant) -> dict[str, str]:
    return {
        approver.MINION: applicant.server,
        approver.NODE: applicant.node,
        "k8s-lifecycle/role": applicant.role,
        "k8s-lifecycle/pool": applicant.pool or "",
    }


def _revoke_earlier(api: Api, server: str) -> None:
    """A server has one admission at a time: the key of the one before is gone."""
    for secret in bootstrap_token.listed(api):
        if secret["metadata"].get("annotations", {}).get(approver.MINION) == server:
            api.delete(bootstrap_token.path(bootstrap_token.text(secret, "token-id")))


def _start_approver(token_id: str, expires: int) -> None:
    left = expires - int(time.time()) + 60
    command.output(
        "systemd-run",
        f"--unit=k8s-approver-{token_id}",
        f"--description=approves the certificate of admission {token_id}",
        "--collect",
        "--quiet",
        "--property=Restart=on-failure",
        "--property=RestartSec=1",
        f"--property=RuntimeMaxSec={left}",
        f"--setenv=PYTHONPATH={Path(k8s_lifecycle.__file__).parents[1]}",
        "--setenv=PYTHONUNBUFFERED=1",
        "--",
        sys.executable,
        "-m",
        "k8s_lifecycle.cluster.approver",
        token_id,
    )
