"""The images that each kubeadm will ask the site's registry for, in its own words."""

from pathlib import Path

from datacenter.command import run

from site_build.binaries import Binaries
from site_build.component import Components

_REGISTRY = "registry.invalid"
# What a site's kubeadm configuration appends to its registry's address as imageRepository.
_REPOSITORY = "kubernetes"


def required_images(components: Components, binaries: Binaries) -> list[str]:
    """Ask every kubeadm for its images, named below the registry's address."""
    return [
        name
        for component in components.values()
        if "kubeadm" in component.binaries
        for name in _required(binaries[component.name].path / "bin" / "kubeadm", component.version)
    ]


def _required(kubeadm: Path, version: str) -> list[str]:
    repository = f"--image-repository={_REGISTRY}/{_REPOSITORY}"
    listed = run(kubeadm, "config", "images", "list", f"--kubernetes-version=v{version}", repository)
    return [line.removeprefix(f"{_REGISTRY}/") for line in listed.split()]
