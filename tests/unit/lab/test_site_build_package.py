"""Our .deb files are what dpkg expects, and the same for the same content."""

import shutil
import subprocess
from pathlib import Path

import pytest
from site_build.artifact import Artifact
from site_build.component import Component
from site_build.package import Package
from site_build.package_builder import make_package

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")


def ignore(_message: str) -> None:
    pass


@pytest.fixture
def package(tmp_path: Path) -> Package:
    folder = tmp_path / "agent"
    folder.mkdir()
    (folder / "agent.env").write_text("ARGS=\n")
    (folder / "postinst").write_text("#!/bin/sh\n")
    return Package(
        folder=folder,
        summary="An agent",
        section="net",
        components=["agent-1"],
        revision="1.1",
        binaries={"/usr/bin": ["agent"]},
        files={"/etc/default/agent": "agent.env"},
        directories=["/var/lib/agent"],
        conffiles=["/etc/default/agent"],
        depends=["mount", "iptables (>= 1.4.21)"],
    )


@pytest.fixture
def component(tmp_path: Path) -> Component:
    (tmp_path / "compiled" / "bin").mkdir(parents=True)
    (tmp_path / "compiled" / "bin" / "agent").write_bytes(b"\0" * 5000)
    return Component(tmp_path / "agent-1", "1.2.3", ["agent"])


def make(package: Package, component: Component, build_dir: Path) -> Path:
    binaries = {"agent-1": Artifact(build_dir.parent / "compiled", "digest")}
    made = make_package(package, {"agent-1": component}, binaries, build_dir, ignore)
    (deb,) = made.path.glob("*.deb")
    return deb


def test_control_leaves_out_what_is_empty(package: Package, component: Component) -> None:
    assert package.control(component, 4) == (
        "Package: agent\n"
        "Version: 1.2.3-1.1\n"
        "Architecture: amd64\n"
        "Section: net\n"
        "Priority: optional\n"
        "Maintainer: Site packages <packages@site.invalid>\n"
        "Installed-Size: 4\n"
        "Depends: mount, iptables (>= 1.4.21)\n"
        "Description: An agent\n"
    )


@needs_dpkg
def test_content_of_the_deb(package: Package, component: Component, tmp_path: Path) -> None:
    deb = make(package, component, tmp_path / "build")
    assert deb.name == "agent_1.2.3-1.1_amd64.deb"
    listing = subprocess.check_output(["dpkg-deb", "--contents", deb], text=True)
    modes = {line.split()[-1]: line.split()[:2] for line in listing.splitlines()}
    assert modes["./usr/bin/agent"] == ["-rwxr-xr-x", "root/root"]
    assert modes["./etc/default/agent"] == ["-rw-r--r--", "root/root"]
    assert modes["./var/lib/agent/"] == ["drwxr-xr-x", "root/root"]
    assert modes["./"] == ["drwxr-xr-x", "root/root"]
    info = subprocess.check_output(["dpkg-deb", "--info", deb, "conffiles"], text=True)
    assert info == "/etc/default/agent\n"


@needs_dpkg
def test_equal_content_gives_equal_bytes(package: Package, component: Component, tmp_path: Path) -> None:
    first = make(package, component, tmp_path / "first").read_bytes()
    assert make(package, component, tmp_path / "second").read_bytes() == first
