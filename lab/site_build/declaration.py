"""Read one of lab/components' TOML files into a dataclass, and say precisely what is wrong with it."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from datacenter.errors import LabError

Declared = TypeVar("Declared")


def read_declaration(path: Path, kind: type[Declared], **given: Any) -> Declared:
    """Build a `kind` from a TOML file, whose keys are its fields except for the given ones."""
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LabError(f"{path}: cannot be read: {error}") from error
    fields = {field.name for field in dataclasses.fields(kind)} - given.keys()  # type: ignore[arg-type]
    if unknown := content.keys() - fields:
        raise LabError(f"{path}: unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(fields))}")
    try:
        return kind(**given, **content)
    except TypeError as error:
        raise LabError(f"{path}: {error}") from error


def read_names(path: Path) -> list[str]:
    """Read a list of names, one per line, with # comments."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]
