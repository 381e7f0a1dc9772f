"""A component: binaries of one upstream project at one version, as lab/components/<name>/ declares them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from site_build.declaration import read_declaration

COMPONENTS = Path(__file__).resolve().parents[1] / "components"
DECLARATION = "component.toml"


@dataclass(frozen=True)
class Component:
    """Which binaries, and how they are compiled: Go where the folder has a go.mod, C where it has not."""

    folder: Path
    version: str
    binaries: list[str]
    go_names: Mapping[str, str] = field(default_factory=dict)
    ldflags: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    cgo: bool = False

    @property
    def name(self) -> str:
        """The folder's name: several versions of a project are several components."""
        return self.folder.name

    @property
    def is_go(self) -> bool:
        """Whether the Go client builds it."""
        return (self.folder / "go.mod").exists()


Components = Mapping[str, Component]


def read_components(folder: Path = COMPONENTS) -> dict[str, Component]:
    """Read every component that is declared, by name."""
    declarations = sorted(folder.glob(f"*/{DECLARATION}"))
    return {path.parent.name: read_declaration(path, Component, folder=path.parent) for path in declarations}
