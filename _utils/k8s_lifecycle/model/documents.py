"""Reading the YAML file of a cluster, with the line of whatever is wrong with it."""

from pathlib import Path
from typing import Any

import yaml

from k8s_lifecycle.model.schema import Problem, Reader, shown


def read_yaml(file: Path) -> tuple[Any, list[Problem]]:
    """Return what a YAML file holds and what is wrong with its text."""
    if file.suffix != ".yaml":
        return None, [_problem(file, None, "is not read", f"rename it to {file.stem}.yaml")]
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, [_problem(file, None, str(error), "make it a UTF-8 file that the Salt master can read")]
    loader = _StrictLoader(text)
    try:
        value = loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        wrong = " ".join(part for part in (error.context, error.problem) if part)
        return None, [_problem(file, error.problem_mark, wrong, "correct the YAML")]
    except yaml.YAMLError as error:
        return None, [_problem(file, None, str(error), "correct the YAML")]
    finally:
        loader.dispose()
    repeated = [
        _problem(file, mark, f"'{key}' is written twice", "keep one of them") for key, mark in loader.repeated
    ]
    return value, repeated


def check_name(reader: Reader, name: str, written: Any) -> None:
    """Report a name in a file that is not the file's own."""
    if written != name:
        reader.fail("name", f"{shown(written)} is not the name of the file", f"write {name}, or leave it out")


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, which by itself lets the last of two equal keys win in silence."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated: list[tuple[str, yaml.Mark]] = []

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Note repeated keys before a merge key brings in keys that may rightly be repeated."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                self.repeated.append((key.value, key.start_mark))
            if isinstance(key.value, str):
                seen.add(key.value)
        super().flatten_mapping(node)


def _problem(file: Path, mark: yaml.Mark | None, wrong: str, remedy: str) -> Problem:
    where = file.name if mark is None else f"{file.name}:{mark.line + 1}"
    return Problem(where, wrong, remedy, (file.stem,))
