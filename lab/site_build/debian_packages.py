"""Packages of Debian itself, for servers to install and for images to contain."""

import tempfile
from pathlib import Path

from datacenter import debian
from datacenter.command import run

from site_build.artifact import Artifact, Say
from site_build.component import COMPONENTS
from site_build.declaration import read_names
from site_build.digest import digest_of
from site_build.private_apt import PrivateApt

LISTS = COMPONENTS / "debian"
_CODE = Path(__file__)


def make_server_packages(build_dir: Path, say: Say) -> Artifact:
    """Download what servers install, as .deb files."""
    return _artifact(build_dir, "servers").make(lambda target: _download("servers", target), say)


def make_networking_tree(build_dir: Path, say: Say) -> Artifact:
    """Unpack what the images of kube-proxy and flannel carry beside the binary."""
    return _artifact(build_dir, "networking-image").make(lambda target: _unpack("networking-image", target), say)


def make_tools_tree(build_dir: Path, say: Say) -> Artifact:
    """Unpack the tools that the build uses without installing them on this machine."""
    return _artifact(build_dir, "tools").make(lambda target: _unpack("tools", target), say)


def _artifact(build_dir: Path, name: str) -> Artifact:
    # Newer packages of the mirror are no reason to build again: removing the directory is.
    return Artifact(build_dir / "debian" / name, digest_of(LISTS / f"{name}.txt", debian.CODENAME, _CODE))


def _download(name: str, target: Path) -> None:
    run("apt-get", "update", timeout=300)
    with tempfile.TemporaryDirectory(prefix="site-build-") as state:
        PrivateApt(Path(state), debian.sources()).download(read_names(LISTS / f"{name}.txt"), target)


def _unpack(name: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="site-build-") as packages:
        _download(name, Path(packages))
        for package in sorted(Path(packages).glob("*.deb")):
            run("dpkg-deb", "--extract", package, target)
