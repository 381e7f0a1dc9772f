"""Consul's binary, from the package that the lab serves."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "lab"))

from datacenter.errors import LabError  # noqa: E402
from site_build.debian_packages import downloaded  # noqa: E402


@cache
def consul_binary() -> Path:
    """Return the path of the binary; where it cannot be had, skip, but not in CI."""
    try:
        packages = downloaded("servers", ROOT / "build", lambda _: None).path
    except LabError as error:
        if os.environ.get("CI"):
            pytest.fail(f"in CI nothing may be left out: {error}")
        pytest.skip(str(error))
    package = next(packages.glob("consul_*.deb"))
    target = ROOT / "build" / "debian" / package.stem
    if not target.exists():
        subprocess.run(["dpkg-deb", "--extract", package, target], check=True)
    return target / "usr/bin/consul"
