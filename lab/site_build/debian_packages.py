"""Packages of Debian itself, as lab/components/debian/<name>.txt lists them."""

import tempfile
from pathlib import Path

from datacenter import debian
from datacenter.command import run
from datacenter.errors import LabError

from site_build.artifact import Artifact, Say
from site_build.component import COMPONENTS
from site_build.declaration import read_names
from site_build.digest import digest_of
from site_build.private_apt import PrivateApt

LISTS = COMPONENTS / "debian"
UPDATE_SECONDS = 300
# The release before, and the lists with a package that Debian has no more since. What both have is
# newer in this one, and so comes from this one.
OLDER = "bullseye"
_ALSO_OLDER = ("servers",)
_CODE = Path(__file__)


def package_names(name: str) -> list[str]:
    """Read a list of packages."""
    return read_names(LISTS / f"{name}.txt")


def downloaded(name: str, build_dir: Path, say: Say) -> Artifact:
    """Return a directory with the .deb files of a list and of all that it depends on."""
    return _artifact(name, build_dir).make(lambda target: _download(name, target), say)


def unpacked(name: str, build_dir: Path, say: Say) -> Artifact:
    """Return a directory with the files of a list of packages and of all that it depends on."""
    return _artifact(name, build_dir).make(lambda target: _unpack(name, target), say)


def _artifact(name: str, build_dir: Path) -> Artifact:
    # Newer packages of the mirror are no reason to build again: removing the directory is.
    return Artifact(build_dir / "debian" / name, digest_of(LISTS / f"{name}.txt", debian.CODENAME, _CODE))


def _download(name: str, target: Path) -> None:
    run("apt-get", "update", timeout=UPDATE_SECONDS)
    sources = debian.sources()
    if not sources:
        raise LabError(f"this machine's apt has no source of Debian {debian.CODENAME}: add one, then repeat")
    if name in _ALSO_OLDER:
        sources = f"{sources}\n{_older(sources)}"
    with tempfile.TemporaryDirectory(prefix="site-build-") as state:
        PrivateApt(Path(state), sources).download(package_names(name), target)


def _unpack(name: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="site-build-") as packages:
        _download(name, Path(packages))
        for package in sorted(Path(packages).glob("*.deb")):
            run("dpkg-deb", "--extract", package, target)


def _older(sources: str) -> str:
    """Return the source of the release before, beside those of this one."""
    words = (line.split() for line in sources.splitlines())
    return "\n".join(f"deb {uri} {OLDER} main" for _, uri, suite, *_ in words if suite == debian.CODENAME)
