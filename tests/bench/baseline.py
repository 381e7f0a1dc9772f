"""The same cluster by bare commands: apt and kubeadm with ideal parallelism, and no check at all."""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait

from baseline_files import KUBEADM, Site
from servers import execute

KUBECTL = "kubectl --kubeconfig /etc/kubernetes/admin.conf"
PREPARE = """
tar -xC / -f -
mkdir -p /etc/kubernetes/patches /etc/apt/keyrings
sysctl --quiet --load /etc/sysctl.d/90-k8s.conf
swapoff --all
/usr/lib/apt/apt-helper -q download-file "$1" "$2"
shift 2
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q install --yes --no-install-recommends -o Dpkg::Options::=--force-confold "$@"
apt-mark hold kubeadm kubelet kubectl containerd.io
"""
INIT = f"kubeadm init --config {KUBEADM} --upload-certs --skip-token-print"
JOIN = f"kubeadm join --config {KUBEADM}"
ADDON = f"{KUBECTL} apply -f -"
READY = f"""
until {KUBECTL} get "$@" >/dev/null 2>&1; do sleep 0.2; done
{KUBECTL} wait --timeout=300s --for=condition=Ready "$@"
{KUBECTL} -n kube-system wait --timeout=300s --for=condition=Available deployment/coredns
"""


def provision(site: Site) -> None:
    """Prepare all servers at once; after init join the control planes one by one, and the workers beside."""
    first, *others = site.control_planes
    with ThreadPoolExecutor(max_workers=2 * len(site.addresses)) as pool:
        prepared = {server: pool.submit(_prepare, site, server) for server in site.addresses}
        prepared[first].result()
        _timed("kubeadm init", first, INIT)
        addon = pool.submit(_timed, "network addon", first, ADDON, given=site.network_addon())
        joining = [pool.submit(_join, [server], prepared) for server in site.workers] + [
            pool.submit(_join, others, prepared)
        ]
        wait([addon, *joining])
        for ended in (addon, *joining):
            ended.result()
    _timed("all Ready, DNS available", first, READY, *(f"node/{server}" for server in site.addresses))


def _prepare(site: Site, server: str) -> None:
    key = site.repository_key(server)
    _timed("prepare", server, PREPARE, *key, *site.packages(server), given=site.files(server))


def _join(servers: list[str], prepared: dict[str, Future[None]]) -> None:
    """Join servers one after the other."""
    for server in servers:
        prepared[server].result()
        _timed("kubeadm join", server, JOIN)


def _timed(what: str, server: str, script: str, *words: str, given: bytes = b"") -> None:
    began = time.monotonic()
    execute(server, script, *words, given=given)
    print(f"  {server}: {what} {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
