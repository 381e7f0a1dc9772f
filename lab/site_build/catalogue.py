"""Which images the site's registry has, under the names by which kubeadm and the addons ask for them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from datacenter.command import run

from site_build.binaries import Binaries
from site_build.component import Component
from site_build.image import Image

# A kubeadm cluster configuration names this as <registry>/kubernetes.
KUBERNETES = "kubernetes"
BUSYBOX = "library/busybox"
STATIC_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# Debian leaves the plain names to its alternatives system, which is not there in an image.
IPTABLES_LINKS = {
    f"/usr/sbin/{family}{action}": f"{family}-nft{action}"
    for family in ("iptables", "ip6tables")
    for action in ("", "-restore", "-save")
}


def images(components: list[Component], binaries: Binaries, networking: Path, tools: Path) -> list[Image]:
    """List every image; `networking` and `tools` are unpacked Debian packages."""
    catalogue = [_busybox(tools)]
    for component in components:
        kind = component.name.partition("-")[0]
        make = _BY_KIND.get(component.name, _BY_KIND.get(kind))
        if make:
            catalogue += make(component, binaries[component.name].path / "bin", networking, tools)
    return catalogue
