"""The whole build, from source to what a site serves; each stage is skipped when its inputs are unchanged."""

import os
import time
from pathlib import Path

from datacenter.exclusive import exclusive

from site_build.apt_repository import make_apt_repository
from site_build.artifact import Say
from site_build.binaries import Binaries, make_binaries
from site_build.component import Components, read_components
from site_build.debian_packages import downloaded
from site_build.host import install_build_packages
from site_build.package import read_packages
from site_build.package_builder import make_package
from site_build.pillar_secrets import make_pillar_secrets
from site_build.registry import make_registry
from site_build.signing import make_signing_key
from site_build.wheels import make_salt_wheels, make_wheel_index

BUILD_SECONDS = 4000


def build(build_dir: Path, binaries: Path | None, say: Say) -> None:
    """Make everything under a build directory; compile, or take `binaries`/<component>/bin if given."""
    began = time.monotonic()
    build_dir = build_dir.resolve()
    components = read_components()
    # Permissions inside packages and images must not depend on who builds.
    os.umask(0o022)
    with exclusive(build_dir / ".site-build.lock", "a build", BUILD_SECONDS):
        install_build_packages(say)
        compiled = make_binaries(components, build_dir, binaries, say)
        _make_apt_repository(components, compiled, build_dir, say)
        make_registry(components, compiled, build_dir, say)
        make_wheel_index(build_dir, say)
        make_salt_wheels(build_dir, say)
        make_pillar_secrets(build_dir, say)
    say(f"site artifacts: complete after {time.monotonic() - began:.1f} s")


def salt_wheels(build_dir: Path, say: Say) -> Path:
    """Return the directory of Salt's wheels, made if it is not there; it needs no other stage."""
    return make_salt_wheels(build_dir.resolve(), say).path


def _make_apt_repository(components: Components, compiled: Binaries, build_dir: Path, say: Say) -> None:
    packages = read_packages()
    contents = [make_package(package, components, compiled, build_dir, say) for package in packages]
    contents.append(downloaded("servers", build_dir, say))
    key = make_signing_key(build_dir, say)
    make_apt_repository(packages, contents, key, build_dir, say)
