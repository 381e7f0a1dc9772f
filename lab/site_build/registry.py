"""The site's container registry, as the storage directory of a docker-registry that has every image."""

from pathlib import Path

from datacenter.errors import LabError

from site_build.artifact import Artifact, Say
from site_build.binaries import Binaries
from site_build.component import Components
from site_build.debian_packages import unpacked
from site_build.digest import digest_of
from site_build.image import Image
from site_build.image_declaration import IMAGES, read_images
from site_build.kubeadm_images import required_images
from site_build.registry_server import push_images

PROGRAM = "usr/bin/docker-registry"
_FILES = ("image.py", "image_declaration.py", "registry_server.py")
_CODE = [Path(__file__).with_name(name) for name in _FILES]


def make_registry(components: Components, binaries: Binaries, build_dir: Path, say: Say) -> Artifact:
    """Return the storage directory, in which every image is that kubeadm and the addons will ask for."""
    declarations = read_images()
    used = {name for declaration in declarations for name in declaration.components}
    trees = {name: unpacked(name, build_dir, say) for one in declarations for name in one.trees}

    def fill(target: Path) -> None:
        roots = {name: tree.path for name, tree in trees.items()}
        images = [image for one in declarations for image in one.images(components, binaries, roots)]
        _check_complete(images, required_images(components, binaries))
        push_images(images, unpacked("registry", build_dir, say).path / PROGRAM, target)

    inputs = [*(binaries[name].digest for name in sorted(used)), *(tree.digest for tree in trees.values())]
    return Artifact(build_dir / "site" / "registry", digest_of(IMAGES, *_CODE, *inputs)).make(fill, say)


def _check_complete(images: list[Image], required: list[str]) -> None:
    if absent := sorted(set(required) - {image.name for image in images}):
        raise LabError(f"{IMAGES}: kubeadm asks for images that are not declared there: {', '.join(absent)}")
