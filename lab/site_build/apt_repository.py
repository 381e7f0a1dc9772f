"""The site's apt repository: our packages and Debian's, indexed and signed as any mirror's."""

import os
import re
import tempfile
from pathlib import Path

from datacenter import debian
from datacenter.command import run

from site_build.artifact import Artifact, Say
from site_build.debian_packages import package_names
from site_build.digest import digest_of
from site_build.package import ARCHITECTURE, Package
from site_build.private_apt import PrivateApt
from site_build.signing import export_public_key, sign

SUITE = debian.CODENAME
COMPONENT = "main"
_CODE = Path(__file__)


def make_apt_repository(
    packages: list[Package], contents: list[Artifact], key: Artifact, build_dir: Path, say: Say
) -> Artifact:
    """Return the repository with the .deb files of all contents, `deb [signed-by=...] URL SUITE main`."""

    def fill(target: Path) -> None:
        for content in contents:
            _add_to_pool(content.path, target / "pool" / COMPONENT)
        _index(target)
        sign(key, target / "dists" / SUITE / "Release")
        export_public_key(key, target / "key")
        _check_closure(target, packages)

    digest = digest_of(_CODE, key.digest, *(content.digest for content in contents))
    return Artifact(build_dir / "site" / "apt", digest).make(fill, say)


def pool_path(downloaded_name: str) -> str:
    """Return where a pool keeps a .deb that apt downloaded: sorted by initial, and without an epoch."""
    name = downloaded_name.partition("_")[0]
    initial = name[:4] if name.startswith("lib") else name[0]
    return f"{initial}/{name}/{re.sub('_[0-9]+%3a', '_', downloaded_name)}"


def _add_to_pool(source: Path, pool: Path) -> None:
    for package in sorted(source.glob("*.deb")):
        target = pool / pool_path(package.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(package, target)


def _index(repository: Path) -> None:
    binary = repository / "dists" / SUITE / COMPONENT / f"binary-{ARCHITECTURE}"
    binary.mkdir(parents=True)
    here = ("env", f"--chdir={repository}", "apt-ftparchive")
    (binary / "Packages").write_text(run(*here, "packages", "pool", timeout=300))
    run("gzip", "--keep", "--no-name", binary / "Packages")
    fields = {
        "Origin": "Site",
        "Label": "Site",
        "Suite": SUITE,
        "Codename": SUITE,
        "Architectures": ARCHITECTURE,
        "Components": COMPONENT,
    }
    settings = (f"APT::FTPArchive::Release::{name}={value}" for name, value in fields.items())
    options = [word for setting in settings for word in ("-o", setting)]
    release = run(*here, *options, "release", f"dists/{SUITE}")
    (repository / "dists" / SUITE / "Release").write_text(release)


def _check_closure(repository: Path, packages: list[Package]) -> None:
    """Let apt verify the signature, and find everything that a server installs in this repository alone."""
    source = f"deb [signed-by={repository}/key.gpg] file:{repository} {SUITE} {COMPONENT}"
    with tempfile.TemporaryDirectory(prefix="site-build-") as state:
        apt = PrivateApt(Path(state), source)
        apt.simulate_install([*package_names("servers"), *(package.name for package in packages)])
