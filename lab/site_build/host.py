"""The Debian packages that this machine needs for the build; installed only if one is missing."""

import os

from datacenter.command import run
from datacenter.errors import LabError

from site_build.artifact import Say

PACKAGES = ("apt-utils", "dpkg-dev", "gcc", "gnupg", "libc6-dev", "openssl", "skopeo")
INSTALL_SECONDS = 900


def install_build_packages(say: Say) -> None:
    """Make sure that every tool of the build is there."""
    installed = _installed()
    missing = [name for name in PACKAGES if name not in installed]
    if not missing:
        return
    if os.geteuid() != 0:
        raise LabError(f"needed and not installed: run as root: apt-get install {' '.join(missing)}")
    say(f"installing {', '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", timeout=INSTALL_SECONDS)
    install = ("apt-get", "install", "--yes", "--no-install-recommends")
    run(*install, *missing, timeout=INSTALL_SECONDS, environment=environment)


def _installed() -> set[str]:
    shown = run("dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n")
    rows = (line.split() for line in shown.splitlines())
    return {package for status, package in rows if status == "installed"}
