"""Python wheels: an index that pip can use, and Salt's own for the servers' root."""

import hashlib
import re
from html import escape
from pathlib import Path

from datacenter.bootstrap import INTERPRETER
from datacenter.command import run

from site_build.artifact import Artifact, Say
from site_build.component import COMPONENTS
from site_build.digest import digest_of

REQUIREMENTS = COMPONENTS / "wheels"
BUILD_SECONDS = 900
_CODE = Path(__file__)
_PAGE = "<!DOCTYPE html>\n<html><body>\n{links}\n</body></html>\n"


def make_wheel_index(build_dir: Path, say: Say) -> Artifact:
    """Return the site's wheels with a PEP 503 index in simple/."""

    def fill(target: Path) -> None:
        _build("kubernetes", target)
        write_index(target)

    return _artifact("kubernetes", build_dir / "site" / "wheels").make(fill, say)


def make_salt_wheels(build_dir: Path, say: Say) -> Artifact:
    """Return a flat directory with Salt, all that it needs, and pip."""
    return _artifact("salt", build_dir / "salt-wheels").make(lambda target: _build("salt", target), say)


def write_index(wheels: Path) -> None:
    """Write the PEP 503 pages for the wheels in a directory: one of projects, one of files for each."""
    projects: dict[str, list[Path]] = {}
    for wheel in sorted(wheels.glob("*.whl")):
        projects.setdefault(project_name(wheel.name), []).append(wheel)
    for project, files in projects.items():
        _write_page(wheels / "simple" / project, [(_file_url(file), file.name) for file in files])
    _write_page(wheels / "simple", [(f"{project}/", project) for project in sorted(projects)])


def project_name(wheel_name: str) -> str:
    """Return the normalized name (PEP 503) of the project that a wheel belongs to."""
    return re.sub(r"[-_.]+", "-", wheel_name.partition("-")[0]).lower()


def _file_url(wheel: Path) -> str:
    with wheel.open("rb") as file:
        return f"../../{wheel.name}#sha256={hashlib.file_digest(file, 'sha256').hexdigest()}"


def _write_page(folder: Path, links: list[tuple[str, str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f'<a href="{escape(url)}">{escape(text)}</a><br>' for url, text in links)
    (folder / "index.html").write_text(_PAGE.format(links=lines))


def _build(name: str, target: Path) -> None:
    # Not `pip download`: it leaves source packages, which servers could not build without a network.
    pip = (INTERPRETER, "-m", "pip", "wheel", "--quiet", "--no-deps")
    requirement = REQUIREMENTS / f"{name}.txt"
    run(*pip, "--wheel-dir", target, "--requirement", requirement, timeout=BUILD_SECONDS)


def _artifact(name: str, path: Path) -> Artifact:
    return Artifact(path, digest_of(REQUIREMENTS / f"{name}.txt", _CODE))
