"""Compile components with the machine's own Go and C compilers."""

import os
import shutil
from pathlib import Path

from datacenter.command import run
from datacenter.errors import LabError

from site_build.component import COMPONENTS, Component

GIB = 2**30
# Go's caches grow to 16 GiB; the rest is for linking and for the build directory, with some room.
COLD_BUILD_GIB = 25
GO_BUILD_SECONDS = 3600


def go_version() -> str:
    """Name the installed Go, as in go1.26.1; raise if it is missing or too old for a component."""
    if not shutil.which("go"):
        raise LabError("Go is not installed: install it, or give ready-made binaries with --binaries DIR")
    for module in COMPONENTS.glob("*/go.mod"):
        # Go itself refuses to be older than go.mod says, or fetches a newer one where it is allowed to.
        run("go", "-C", module.parent, "list", "-m")
    return run("go", "env", "GOVERSION").strip()


def require_disk() -> None:
    """Refuse to begin a compilation that would fill the disk, which would end in confusing errors."""
    caches = [Path(line) for line in run("go", "env", "GOCACHE", "GOMODCACHE").split()]
    used = sum(_disk_usage(cache) for cache in caches if cache.exists())
    existing = next(path for path in [caches[0], *caches[0].parents] if path.exists())
    free = shutil.disk_usage(existing).free
    if free + used < COLD_BUILD_GIB * GIB:
        raise LabError(
            f"{existing}: {free / GIB:.0f} GiB free and {used / GIB:.0f} GiB in Go's caches, but compiling "
            f"everything takes {COLD_BUILD_GIB} GiB: free some, or give ready-made ones with --binaries DIR"
        )


def _disk_usage(directory: Path) -> int:
    return int(run("du", "-sk", directory, timeout=300).split()[0]) * 1024


def compile_component(component: Component, target: Path) -> None:
    """Compile into target/bin, and make sure that exactly the declared binaries came out."""
    output = target / "bin"
    output.mkdir()
    if component.is_go:
        _compile_go(component, output)
    else:
        _compile_c(component, output)
    made = sorted(path.name for path in output.iterdir())
    if made != sorted(component.binaries):
        declared = ", ".join(component.binaries)
        raise LabError(f"{component.folder}: compiled {', '.join(made)}, but {declared} are declared")


def _compile_go(component: Component, output: Path) -> None:
    ldflags = " ".join(["-s", "-w", *component.ldflags]).format(version=component.version)
    # This repository's version stamp says nothing about the component, and would relink it on every commit.
    # Nor is the debugging information, which the linker would strip, worth 7 % of the compilers' time.
    flags = ["-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false"]
    flags += ["-tags", ",".join(component.tags), "-ldflags", ldflags]
    # A compiler that collects its garbage less often takes a fifth less processor time; memory there is.
    environment = {**os.environ, "CGO_ENABLED": "1" if component.cgo else "0", "GOGC": "400"}
    build: list[str | Path] = ["go", "build", "-C", component.folder, *flags, "-o", f"{output}/", "tool"]
    run(*build, timeout=GO_BUILD_SECONDS, environment=environment)
    for name, go_name in component.go_names.items():
        (output / go_name).rename(output / name)


def _compile_c(component: Component, output: Path) -> None:
    for name in component.binaries:
        source = component.folder / f"{name}.c"
        version = f"-DVERSION=v{component.version}"
        run("gcc", "-Os", "-Wall", "-Werror", "-static", "-s", version, "-o", output / name, source)
