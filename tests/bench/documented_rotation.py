"""Certificate rotation as kubeadm's documentation has it, one server after another, each waited for.

https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/#manual-certificate-renewal
Renew all,
then restart the static pods: take their manifests away, wait 20 seconds, and put them back.
"""

from __future__ import annotations

from baseline_files import Site
from servers import execute

ROTATE = """
kubeadm certs renew all
mkdir /root/manifests
mv /etc/kubernetes/manifests/*.yaml /root/manifests/
sleep 20
mv /root/manifests/*.yaml /etc/kubernetes/manifests/
rmdir /root/manifests
healthy() { curl --silent --fail --insecure --max-time 2 --output /dev/null "$1"; }
for url in http://127.0.0.1:2381/health https://127.0.0.1:6443/readyz https://127.0.0.1:10257/healthz \
        https://127.0.0.1:10259/healthz; do
    until healthy "$url"; do sleep 0.5; done
done
"""


def rotate(site: Site) -> None:
    """Rotate the certificates of every control plane."""
    for server in site.control_planes:
        execute(server, ROTATE)
