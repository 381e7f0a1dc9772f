"""A container image of one layer, written as a docker-archive that is the same for the same content."""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from site_build.artifact import EPOCH, MARKER

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_NEEDED = ("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/lintian/")


@dataclass(frozen=True)
class Image:
    """What an image holds and runs: files and whole directories of this machine, and symbolic links."""

    repository: str
    tag: str
    entrypoint: list[str]
    files: Mapping[str, Path]
    links: Mapping[str, str] = field(default_factory=dict)
    trees: list[Path] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name below a registry's address."""
        return f"{self.repository}:{self.tag}"


def write_archive(image: Image, target: Path) -> None:
    """Write an image as a file that skopeo, ctr and docker can load."""
    with tempfile.TemporaryFile() as layer, tarfile.open(target, "w") as archive:
        with tarfile.open(fileobj=layer, mode="w") as content:
            _write_layer(image, content)
        layer.seek(0)
        config = _config(image, hashlib.file_digest(layer, "sha256").hexdigest())
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": config_name, "RepoTags": [image.name], "Layers": ["layer.tar"]}]
        _add(archive, "manifest.json", io.BytesIO(json.dumps(manifest).encode()))
        _add(archive, config_name, io.BytesIO(config))
        _add(archive, "layer.tar", layer)


def _config(image: Image, layer_digest: str) -> bytes:
    content = {
        "architecture": "amd64",
        "os": "linux",
        "created": datetime.fromtimestamp(EPOCH, UTC).isoformat(),
        "config": {"Entrypoint": image.entrypoint, "Env": [f"PATH={SEARCH_PATH}"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }
    return json.dumps(content).encode()


def _write_layer(image: Image, layer: tarfile.TarFile) -> None:
    content = _content(image)
    directories = {parent for path in content for parent in PurePosixPath(path).parents} - {PurePosixPath()}
    for directory in sorted(directories):
        _add_directory(layer, str(directory), 0o755)
    _add_directory(layer, "tmp", 0o1777)
    for path, source in sorted(content.items()):
        if isinstance(source, str):
            link = _entry(path)
            link.type, link.linkname = tarfile.SYMTYPE, source
            layer.addfile(link)
        else:
            with source.open("rb") as file:
                _add(layer, path, file, source.stat().st_mode & 0o7777)


def _content(image: Image) -> dict[str, Path | str]:
    """Map each path in the image to a file of this machine, or to the target of a link."""
    content: dict[str, Path | str] = {}
    for tree in image.trees:
        for path in tree.rglob("*"):
            name = path.relative_to(tree).as_posix()
            if name == MARKER or name.startswith(NOT_NEEDED):
                continue
            if path.is_symlink():
                content[name] = str(path.readlink())
            elif path.is_file():
                content[name] = path
    content |= {path.lstrip("/"): target for path, target in image.links.items()}
    return content | {path.lstrip("/"): source for path, source in image.files.items()}


def _add(archive: tarfile.TarFile, name: str, content: io.IOBase, mode: int = 0o644) -> None:
    entry = _entry(name)
    entry.mode = mode
    entry.size = content.seek(0, os.SEEK_END)
    content.seek(0)
    archive.addfile(entry, content)


def _add_directory(archive: tarfile.TarFile, name: str, mode: int) -> None:
    entry = _entry(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _entry(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mtime = EPOCH
    return entry
