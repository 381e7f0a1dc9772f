"""What is up: which layout, which servers were added to it, and which checkout the lab belongs to."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any, TypedDict

import yaml

from . import layout
from .errors import LabError
from .paths import CHECKOUT, CURRENT_LAYOUT, OWNER, RUNTIME


class _Recorded(TypedDict):
    layout: str
    added: dict[str, dict[str, Any]]


def save_layout(path: Path) -> None:
    """Record that the lab has this layout; servers added to it stay."""
    recorded = _read()
    if recorded is None:
        _write(path, {})
    elif recorded["layout"] != str(path):
        raise LabError(f"the lab has the layout {recorded['layout']}; take it down first: lab/dc down")


def current_layout() -> layout.Layout:
    """Return the layout that is up, with the servers added since."""
    return _layout(_recorded())


def add_server(server: layout.Server) -> layout.Layout:
    """Record one more server, and return the layout with it."""
    recorded = _recorded()
    extended = _layout(recorded).with_server(server)
    values = dataclasses.asdict(server)
    del values["id"]
    _write(Path(recorded["layout"]), {**recorded["added"], server.id: values})
    return extended


def claim() -> None:
    """Make the machine's lab this checkout's, or refuse if another checkout has it."""
    refuse_foreign()
    OWNER.parent.mkdir(parents=True, exist_ok=True)
    OWNER.write_text(str(CHECKOUT))


def refuse_foreign() -> None:
    """Raise if the lab on this machine belongs to another checkout."""
    owner = Path(OWNER.read_text()) if OWNER.exists() else CHECKOUT
    if owner != CHECKOUT and (owner / "lab" / "dc").exists():
        raise LabError(
            f"the lab on this machine belongs to the checkout {owner}\n"
            f"  Take it down there first: {owner}/lab/dc down"
        )


def release() -> None:
    """Forget the layout and the owner."""
    CURRENT_LAYOUT.unlink(missing_ok=True)
    shutil.rmtree(OWNER.parent, ignore_errors=True)
    if RUNTIME.exists() and not [*RUNTIME.iterdir()]:
        RUNTIME.rmdir()


def _recorded() -> _Recorded:
    recorded = _read()
    if recorded is None:
        raise LabError("no lab is up from this checkout; start one: lab/dc up demo")
    return recorded


def _layout(recorded: _Recorded) -> layout.Layout:
    found = layout.load(Path(recorded["layout"]))
    for name, values in recorded["added"].items():
        found = found.with_server(layout.Server(id=name, **values))
    return found


def _read() -> _Recorded | None:
    if not CURRENT_LAYOUT.exists():
        return None
    recorded: _Recorded = yaml.safe_load(CURRENT_LAYOUT.read_text())
    return recorded


def _write(path: Path, added: dict[str, Any]) -> None:
    CURRENT_LAYOUT.parent.mkdir(parents=True, exist_ok=True)
    draft = CURRENT_LAYOUT.with_suffix(".new")
    draft.write_text(yaml.safe_dump({"layout": str(path), "added": added}))
    draft.replace(CURRENT_LAYOUT)
