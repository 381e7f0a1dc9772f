"""A cluster's API without a cluster: etcd and kube-apiserver on loopback, as compiled for the lab."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from k8s_lifecycle.cluster.api import Api, KubernetesError

COMPONENTS = Path(__file__).parents[2] / "build/components"
VERSION = "1.37"
ENOUGH = 60.0
# kubeadm takes no loopback address for a server's own; the certificate is for loopback, too.
CONFIGURATION = """
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: 192.0.2.1, bindPort: {port}}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{version}.0
certificatesDir: {pki}
controlPlaneEndpoint: 127.0.0.1:{port}
apiServer: {{certSANs: [127.0.0.1]}}
"""
ADMINISTRATORS = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "kubeadm:cluster-admins"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "kubeadm:cluster-admins"}
    ],
}


class KubernetesApi:
    """An API server that is empty at first. conf: the kubeconfigs that lead to it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.conf = folder, folder / "conf"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> Api:
        """Start it, and return the connection of a user who may do everything."""
        port, etcd, peer = _free(), _free(), _free()
        self._certify(port)
        url = f"http://127.0.0.1:{etcd}"
        self._run(
            _program("etcd", "etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
        )
        pki = self.folder / "pki"
        self._run(
            _program("kubernetes", "kube-apiserver"),
            f"--etcd-servers={url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--advertise-address=192.0.2.1",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--service-account-key-file={pki / 'sa.pub'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
        )
        return self._wait()

    def stop(self) -> None:
        """Stop it; nothing but its folder is left."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def _certify(self, port: int) -> None:
        configuration = self.folder / "kubeadm.yaml"
        text = CONFIGURATION.format(port=port, version=VERSION, pki=self.folder / "pki")
        configuration.write_text(text)
        kubeadm, given = _program("kubernetes", "kubeadm"), ("--config", configuration)
        phases: list[tuple[Any, ...]] = [("certs", "all")]
        users = ("admin", "super-admin", "controller-manager")
        phases += [("kubeconfig", user, "--kubeconfig-dir", self.conf) for user in users]
        for phase in phases:
            subprocess.run([kubeadm, "init", "phase", *phase, *given], check=True, capture_output=True)
        local = self.conf / "controller-manager.conf"
        local.write_text(local.read_text().replace("192.0.2.1", "127.0.0.1"))

    def _wait(self) -> Api:
        deadline = time.monotonic() + ENOUGH
        while True:
            try:
                api = Api.local(self.conf, user="super-admin")
                api.apply(api.path_of(ADMINISTRATORS), ADMINISTRATORS)
                api.get("/api/v1/namespaces/default")
            except KubernetesError as error:
                assert time.monotonic() < deadline, f"{error}: see {self.folder}/*.log"
                time.sleep(0.5)
            else:
                return api

    def _run(self, program: Path, *options: str) -> None:
        with (self.folder / f"{program.name}.log").open("wb") as log:
            self.processes.append(subprocess.Popen([program, *options], stdout=log, stderr=log))


def _program(component: str, name: str) -> Path:
    """Return the path of a compiled program, of the newest build; without one, skip, but not in CI."""
    found = list(COMPONENTS.glob(f"{component}-*/bin/{name}"))
    if component == "kubernetes":
        found = [path for path in found if f"/kubernetes-{VERSION}-" in str(path)]
    if found:
        return max(found, key=lambda path: (path.parents[1].name.rsplit("-", 1)[0], path.stat().st_mtime))
    if os.environ.get("CI"):
        pytest.fail(f"in CI nothing may be left out: {name} is not built")
    pytest.skip(f"{name} is not built: `lab/dc build` does it")


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
