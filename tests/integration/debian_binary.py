"""Programs from the packages of Debian that the lab serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "lab"))

from datacenter.errors import LabError  # noqa: E402
from site_build.debian_packages import downloaded  # noqa: E402


def debian_binary(package: str, program: str) -> Path:
    """Return the path of a package's program; where it cannot be had, skip, but not in CI."""
    try:
        packages = downloaded("servers", ROOT / "build", lambda _: None).path
    except LabError as error:
        if os.environ.get("CI"):
            pytest.fail(f"in CI nothing may be left out: {error}")
        pytest.skip(str(error))
    archive = next(packages.glob(f"{package}_*.deb"))
    target = ROOT / "build" / "debian-programs" / archive.stem
    if not target.exists():
        draft = target.with_name(f".{target.name}")
        draft.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "--extract", archive, draft], check=True)
        draft.rename(target)
    return target / "usr/bin" / program
