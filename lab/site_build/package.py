"""A Debian package of our own, as lab/components/packages/<name>/ declares it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from site_build.component import COMPONENTS, Component
from site_build.declaration import read_declaration

DECLARATION = "package.toml"
ARCHITECTURE = "amd64"


@dataclass(frozen=True)
class Package:
    """What a package installs. One .deb is made for each component, in that component's version."""

    folder: Path
    summary: str
    section: str
    components: list[str]
    revision: str
    binaries: Mapping[str, list[str]]
    files: Mapping[str, str] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)
    conffiles: list[str] = field(default_factory=list)
    depends: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def version(self, component: Component) -> str:
        """Return the Debian version of the package made from a component."""
        return f"{component.version}-{self.revision}"

    def control(self, component: Component, installed_kib: int) -> str:
        """Return the control file of the package made from a component."""
        fields = {
            "Package": self.name,
            "Version": self.version(component),
            "Architecture": ARCHITECTURE,
            "Section": self.section,
            "Priority": "optional",
            "Maintainer": "Site packages <packages@site.invalid>",
            "Installed-Size": str(installed_kib),
            "Depends": ", ".join(self.depends),
            "Conflicts": ", ".join(self.conflicts),
            "Description": self.summary,
        }
        return "".join(f"{key}: {value}\n" for key, value in fields.items() if value)


def read_packages(folder: Path = COMPONENTS / "packages") -> list[Package]:
    """Read every package that is declared."""
    declarations = sorted(folder.glob(f"*/{DECLARATION}"))
    return [read_declaration(path, Package, folder=path.parent) for path in declarations]
