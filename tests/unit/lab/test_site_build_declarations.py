"""What lab/components declares fits together: a mistake shows here, not after minutes of compiling."""

import re
from pathlib import Path

import pytest
from datacenter.errors import LabError
from site_build.artifact import Artifact
from site_build.component import Component, read_components
from site_build.declaration import read_declaration, read_names
from site_build.image_declaration import read_images
from site_build.package import read_packages

COMPONENTS = read_components()
GO_COMPONENTS = [component for component in COMPONENTS.values() if component.is_go]
USERS = [*read_packages(), *read_images()]


@pytest.mark.parametrize("component", GO_COMPONENTS, ids=lambda component: component.name)
def test_go_mod_pins_the_declared_version(component: Component) -> None:
    go_mod = (component.folder / "go.mod").read_text()
    assert f" v{component.version}" in go_mod
    assert (component.folder / "go.sum").stat().st_size


@pytest.mark.parametrize("component", GO_COMPONENTS, ids=lambda component: component.name)
def test_go_mod_names_a_tool_for_every_binary(component: Component) -> None:
    tools = re.findall(r"^(?:tool |\t)([\w./-]+)$", (component.folder / "go.mod").read_text(), re.MULTILINE)
    built = {re.sub(r"/v\d+$", "", tool).rpartition("/")[2] for tool in tools}
    assert built == {component.go_names.get(name, name) for name in component.binaries}


@pytest.mark.parametrize("user", USERS, ids=repr)
def test_binaries_come_from_the_named_components(user) -> None:
    wanted = {name for names in user.binaries.values() for name in names}
    for name in user.components:
        assert wanted <= set(COMPONENTS[name].binaries)


@pytest.mark.parametrize("package", read_packages(), ids=lambda package: package.name)
def test_files_of_packages_are_there(package) -> None:
    assert all((package.folder / source).is_file() for source in package.files.values())
    assert set(package.conffiles) <= set(package.files)


def test_image_names_are_unique() -> None:
    binaries = {name: Artifact(Path(name), "") for name in COMPONENTS}
    trees = {name: Path(name) for one in read_images() for name in one.trees}
    names = [image.name for one in read_images() for image in one.images(COMPONENTS, binaries, trees)]
    assert len(names) == len(set(names))


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "component.toml").write_text('version = "1"\nbinaries = []\nldflag = []\n')
    with pytest.raises(
        LabError, match=r"component\.toml: unknown ldflag; known are binaries, cgo, .*ldflags"
    ):
        read_declaration(tmp_path / "component.toml", Component, folder=tmp_path)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "component.toml").write_text("binaries = []\n")
    with pytest.raises(LabError, match="version"):
        read_declaration(tmp_path / "component.toml", Component, folder=tmp_path)


def test_broken_toml_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "component.toml").write_text("version =\n")
    with pytest.raises(LabError, match="cannot be read"):
        read_declaration(tmp_path / "component.toml", Component, folder=tmp_path)


def test_names_are_read_without_comments(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# what for\none\n\ntwo  # why\n")
    assert read_names(tmp_path / "list.txt") == ["one", "two"]
