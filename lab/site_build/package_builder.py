"""Make the .deb files of our own packages with dpkg-deb."""

import os
import shutil
import tempfile
from pathlib import Path

from datacenter.command import run

from site_build.artifact import EPOCH, Artifact, Say
from site_build.binaries import Binaries
from site_build.component import Component, Components
from site_build.digest import digest_of
from site_build.package import Package

MAINTAINER_SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
PACK_SECONDS = 300
_CODE = (Path(__file__), Path(__file__).with_name("package.py"))


def make_package(
    package: Package, components: Components, binaries: Binaries, build_dir: Path, say: Say
) -> Artifact:
    """Return the directory with the package's .deb files, one for each of its components."""

    def build_all(target: Path) -> None:
        for name in package.components:
            _build(package, components[name], binaries[name].path / "bin", target)

    digest = digest_of(package.folder, *_CODE, *(binaries[name].digest for name in package.components))
    return Artifact(build_dir / "packages" / package.name, digest).make(build_all, say)


def _build(package: Package, component: Component, compiled: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="site-build-") as temporary:
        root = Path(temporary) / "root"
        root.mkdir()
        _install_content(package, compiled, root)
        _write_metadata(package, component, root)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
        pack = ("dpkg-deb", "--root-owner-group", "-Zzstd", "--build", root, target)
        run(*pack, timeout=PACK_SECONDS, environment=environment)


def _install_content(package: Package, compiled: Path, root: Path) -> None:
    for directory in package.directories:
        _inside(root, directory).mkdir(parents=True, exist_ok=True)
    for directory, names in package.binaries.items():
        for name in names:
            _install(compiled / name, _inside(root, directory) / name, 0o755)
    for path, source in package.files.items():
        _install(package.folder / source, _inside(root, path), 0o644)


def _write_metadata(package: Package, component: Component, root: Path) -> None:
    installed_kib = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024
    metadata = root / "DEBIAN"
    metadata.mkdir()
    (metadata / "control").write_text(package.control(component, installed_kib))
    if package.conffiles:
        (metadata / "conffiles").write_text("".join(f"{path}\n" for path in package.conffiles))
    for script in MAINTAINER_SCRIPTS:
        if (package.folder / script).exists():
            _install(package.folder / script, metadata / script, 0o755)


def _inside(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _install(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
