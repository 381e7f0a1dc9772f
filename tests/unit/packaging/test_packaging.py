"""Salt finds everything, whether the package is installed or a checkout is named in the configuration."""

import ast
import configparser
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
KINDS = ("_modules", "_runners", "_engines", "_states", "_pillar", "_output")
OTHERS = ("_utils", "_grains")  # no functions to load
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "reactor", "states", *OTHERS, *KINDS)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package, built from a copy of the checkout and installed into a directory of its own."""
    copy, target = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("installed")
    for source in filter(Path.exists, (CHECKOUT / name for name in SOURCES)):
        if source.is_dir():
            shutil.copytree(source, copy / source.name, symlinks=True)
        else:
            shutil.copy(source, copy)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    subprocess.run([*pip, "--target", target, copy], check=True, timeout=120)
    return target


def wanted():
    """The name by which Salt knows each module, by type: of most types, that of a public function."""
    return {
        kind: {file.stem: name(file) for file in sorted((CHECKOUT / kind).glob("*.py"))} for kind in KINDS
    }


def name(file):
    if file.parent.name in ("_pillar", "_output"):
        return file.stem
    functions = [node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)]
    return f"{file.stem}.{next(function for function in functions if not function.startswith('_'))}"


def loaded(tmp_path, *, python_path="", **opts):
    """What Salt loads in a new process, as files by type and module."""
    opts |= {"cachedir": str(tmp_path / "cache"), "extension_modules": str(tmp_path / "extmods")}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("loaded.py")],
        input=json.dumps({"opts": opts, "wanted": wanted()}),
        env={"PYTHONPATH": str(python_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def expected(root):
    return {
        kind: {module: str(root / kind / f"{module}.py") for module in modules}
        for kind, modules in wanted().items()
    }


def test_installed(installed, tmp_path):
    assert loaded(tmp_path, python_path=installed) == expected(installed / "k8s_lifecycle" / "states")


def test_checkout(tmp_path):
    # pillar/ and states/ are data: module_dirs alone would find them in place of _pillar/ and _states/.
    found = loaded(
        tmp_path,
        module_dirs=[str(CHECKOUT)],
        pillar_dirs=[str(CHECKOUT / "_pillar")],
        states_dirs=[str(CHECKOUT / "_states")],
    )
    assert found == expected(CHECKOUT)


def test_the_installed_tree_is_a_file_root(installed):
    printed = subprocess.run(
        [sys.executable, "-m", "k8s_lifecycle.loader"],
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    root = Path(printed.stdout.strip())
    assert root == installed / "k8s_lifecycle" / "states"
    assert files(root) == files(CHECKOUT / "states")


def files(root):
    """Every file that Salt serves below a file root, through symlinks too."""
    found = [
        Path(place, name).relative_to(root)
        for place, _, names in os.walk(root, followlinks=True)
        for name in names
    ]
    return {
        str(path)
        for path in found
        if path.suffix != ".pyc" and not any(part[0] == "." for part in path.parts)
    }


def test_every_package_is_listed():
    configuration = configparser.ConfigParser()
    configuration.read(CHECKOUT / "setup.cfg")
    packages = {
        init.parent.relative_to(CHECKOUT / "_utils") for init in (CHECKOUT / "_utils").rglob("__init__.py")
    }
    listed = set(configuration["options"]["packages"].split())
    assert listed == {".".join(package.parts) for package in packages} | {"k8s_lifecycle.states"}
