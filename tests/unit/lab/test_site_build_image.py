"""Images are valid docker-archives, and the same for the same content."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
from site_build.artifact import MARKER
from site_build.image import Image, write_archive


@pytest.fixture
def image(tmp_path: Path) -> Image:
    tree = tmp_path / "tree"
    for name in ("usr/sbin/tool", "usr/share/doc/tool/README", MARKER):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    (tree / "usr/sbin/tool").chmod(0o755)
    (tree / "usr/sbin/alias").symlink_to("tool")
    binary = tmp_path / "server"
    binary.write_text("binary")
    binary.chmod(0o755)
    files, links = {"/usr/local/bin/server": binary}, {"/sbin/short": "/usr/sbin/tool"}
    return Image("project/server", "v1", ["/usr/local/bin/server"], files, links, [tree])


@pytest.fixture
def archive(image: Image, tmp_path: Path) -> tarfile.TarFile:
    write_archive(image, tmp_path / "image.tar")
    return tarfile.open(tmp_path / "image.tar")


def read_json(archive: tarfile.TarFile, name: str):
    return json.load(archive.extractfile(name))


def test_the_manifest_leads_to_config_and_layer(archive: tarfile.TarFile) -> None:
    (manifest,) = read_json(archive, "manifest.json")
    assert manifest["RepoTags"] == ["project/server:v1"]
    config = read_json(archive, manifest["Config"])
    layer = archive.extractfile(manifest["Layers"][0]).read()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert (
        manifest["Config"]
        == f"{hashlib.sha256(archive.extractfile(manifest['Config']).read()).hexdigest()}.json"
    )
    assert config["config"]["Entrypoint"] == ["/usr/local/bin/server"]


def test_the_layer_has_files_links_and_their_directories(archive: tarfile.TarFile) -> None:
    layer = tarfile.open(fileobj=archive.extractfile("layer.tar"))  # noqa: SIM115
    entries = {entry.name: entry for entry in layer.getmembers()}
    assert sorted(entries) == [
        "sbin", "sbin/short", "tmp", "usr", "usr/local", "usr/local/bin", "usr/local/bin/server",
        "usr/sbin", "usr/sbin/alias", "usr/sbin/tool",
    ]  # fmt: skip
    assert entries["usr/local/bin/server"].mode == 0o755
    assert entries["tmp"].mode == 0o1777
    assert entries["usr/sbin/alias"].linkname == "tool"
    assert entries["sbin/short"].linkname == "/usr/sbin/tool"
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(0, 0)}
    assert layer.extractfile("usr/local/bin/server").read() == b"binary"


def test_equal_content_gives_equal_bytes(image: Image, tmp_path: Path) -> None:
    write_archive(image, tmp_path / "first.tar")
    image.files["/usr/local/bin/server"].touch()
    write_archive(image, tmp_path / "second.tar")
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
