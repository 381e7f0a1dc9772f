"""Which images the site's registry has, as lab/components/images/*.toml declares them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from site_build.binaries import Binaries
from site_build.component import COMPONENTS, Components
from site_build.declaration import read_declaration
from site_build.image import Image

IMAGES = COMPONENTS / "images"


@dataclass(frozen=True)
class ImageDeclaration:
    """One image for each component, tagged with its version; or one alone, where Debian has all it needs."""

    repository: str
    tag: str
    entrypoint: list[str]
    components: list[str] = field(default_factory=list)
    binaries: Mapping[str, list[str]] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    trees: list[str] = field(default_factory=list)

    def images(self, components: Components, binaries: Binaries, trees: Mapping[str, Path]) -> list[Image]:
        """Return the images with the files that they are made of."""
        roots = [trees[name] for name in self.trees]
        if not self.components:
            return [Image(self.repository, self.tag, self.entrypoint, {}, self.links, roots)]
        return [
            Image(
                self.repository,
                self.tag.format(version=components[name].version),
                self.entrypoint,
                self._files(binaries[name].path / "bin"),
                self.links,
                roots,
            )
            for name in self.components
        ]

    def _files(self, compiled: Path) -> dict[str, Path]:
        return {
            f"{directory.rstrip('/')}/{name}": compiled / name
            for directory, names in self.binaries.items()
            for name in names
        }


def read_images(folder: Path = IMAGES) -> list[ImageDeclaration]:
    """Read every image that is declared."""
    return [read_declaration(path, ImageDeclaration) for path in sorted(folder.glob("*.toml"))]
