"""Every component's binaries: compiled here, or taken ready-made from a directory."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from datacenter.command import run
from datacenter.errors import LabError

from site_build.artifact import Artifact, Say
from site_build.compilers import compile_component, go_version, require_disk
from site_build.component import Component, Components
from site_build.digest import digest_of

Binaries = Mapping[str, Artifact]


def make_binaries(
    components: Components, build_dir: Path, ready_made: Path | None, say: Say
) -> dict[str, Artifact]:
    """Return each component's artifact, whose bin/ has its binaries."""
    if ready_made:
        return {one.name: _take(one, build_dir, ready_made, say) for one in components.values()}
    return _compile(components, build_dir, say)


def _compile(components: Components, build_dir: Path, say: Say) -> dict[str, Artifact]:
    go, gcc = go_version(), run("gcc", "-dumpfullversion").strip()
    artifacts = {
        name: _artifact(build_dir, component, digest_of(component.folder, go if component.is_go else gcc))
        for name, component in components.items()
    }
    missing = [component for name, component in components.items() if not artifacts[name].finished]
    if any(component.is_go for component in missing):
        require_disk()
    for component in missing:
        artifacts[component.name].make(partial(compile_component, component), say)
    return artifacts


def _take(component: Component, build_dir: Path, ready_made: Path, say: Say) -> Artifact:
    """Copy a component's binaries; size and time of the originals tell whether they changed."""
    source = ready_made / component.name / "bin"
    files = [source / name for name in component.binaries]
    if missing := [file.name for file in files if not file.is_file()]:
        raise LabError(f"--binaries: {source} lacks {', '.join(missing)}: add them, or compile without it")

    def copy(target: Path) -> None:
        (target / "bin").mkdir()
        for file in files:
            shutil.copy2(file, target / "bin" / file.name)

    identity = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    return _artifact(build_dir, component, digest_of(component.folder, *identity)).make(copy, say)


def _artifact(build_dir: Path, component: Component, digest: str) -> Artifact:
    return Artifact(build_dir / "components" / f"{component.name}-{digest}", digest)
