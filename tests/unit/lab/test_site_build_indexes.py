"""Where packages and wheels are found in what the site serves."""

import hashlib
import re
from pathlib import Path

import pytest
from site_build.apt_repository import pool_path
from site_build.wheels import project_name, write_index


@pytest.mark.parametrize(
    ("downloaded", "path"),
    [
        ("kubelet_1.37.2-1.1_amd64.deb", "k/kubelet/kubelet_1.37.2-1.1_amd64.deb"),
        ("conntrack_1%3a1.4.7-1+b2_amd64.deb", "c/conntrack/conntrack_1.4.7-1+b2_amd64.deb"),
        ("libmnl0_1.0.4-3_amd64.deb", "libm/libmnl0/libmnl0_1.0.4-3_amd64.deb"),
    ],
)
def test_pool_path(downloaded: str, path: str) -> None:
    assert pool_path(downloaded) == path


@pytest.mark.parametrize(
    ("wheel", "project"),
    [
        ("PyYAML-6.0.3-cp311-cp311-linux_x86_64.whl", "pyyaml"),
        ("backports.tarfile-1.2.0-py3-none-any.whl", "backports-tarfile"),
        ("typing_extensions-4.16.0-py3-none-any.whl", "typing-extensions"),
    ],
)
def test_project_names_are_normalized(wheel: str, project: str) -> None:
    assert project_name(wheel) == project


def test_links_of_the_index_lead_to_the_wheels(tmp_path: Path) -> None:
    wheel = tmp_path / "Some_Project-1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    write_index(tmp_path)
    (project,) = re.findall('href="([^"]+)"', (tmp_path / "simple" / "index.html").read_text())
    assert project == "some-project/"
    page = tmp_path / "simple" / project / "index.html"
    (url,) = re.findall('href="([^"]+)"', page.read_text())
    location, _, digest = url.partition("#sha256=")
    assert (page.parent / location).resolve() == wheel
    assert digest == hashlib.sha256(b"wheel").hexdigest()
