"""Where the installed package keeps what Salt loads.

Salt's loader asks `directories` through the entry point `salt.loader`. To find the
directory for the master's `file_roots`, from which minions get states and modules, run
`python -m k8s_lifecycle.loader`.
"""

from pathlib import Path

_HERE = Path(__file__).parent


def file_root() -> Path:
    """Return the tree of SLS files and modules: inside the installed package, or beside it in a checkout."""
    installed = _HERE / "states"
    return installed if installed.is_dir() else _HERE.parents[1] / "states"


def directories() -> dict[str, list[str]]:
    """Return the directories with modules of each type that Salt loads.

    Not `_utils`: it holds this package itself, which is imported by its name.
    """
    found = {
        path.name.removeprefix("_"): [str(path)] for path in sorted(file_root().glob("_*")) if path.is_dir()
    }
    found.pop("utils", None)
    return found


if __name__ == "__main__":
    print(file_root())
