"""Reading YAML files named after what they describe, with the line of whatever is wrong with them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from k8s_lifecycle.model.schema import Problem, Reader, shown

T = TypeVar("T")
# A file, when it was changed, and its size: what is read of it holds as long as these do.
State = tuple[Path, int, int]


def states(directory: Path) -> tuple[State, ...]:
    """Return the YAML files of a directory."""
    found = [(file, file.stat()) for file in sorted(directory.glob("*.y*ml"))]
    return tuple((file, state.st_mtime_ns, state.st_size) for file, state in found)


def drafts(
    directory: Path, files: Iterable[State], whose: str, draft: Callable[[str, Any], tuple[T, Reader]]
) -> tuple[dict[str, tuple[T, Reader]], list[Problem]]:
    """Return what each file describes, by its name, and everything that is wrong with them.

    draft: makes it of a name and plain data, and says what is wrong with that.
    """
    found: dict[str, tuple[T, Reader]] = {}
    problems: list[Problem] = []
    if not directory.is_dir():
        remedy = f"write the one with the {whose}' files"
        problems.append(Problem(str(directory), "is not a directory", remedy))
    for file, *_ in files:
        mapping, mistakes = read_yaml(file)
        problems += mistakes
        if not mistakes:
            found[file.stem] = draft(file.stem, mapping)
    for name, (_, reader) in found.items():
        problems += [problem.within(name) for problem in reader.problems]
    return found, problems


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


def named(reader: Reader, name: str, content: Any) -> Any:
    """Return a file's content with its name in it; report one there that is not the file's own."""
    if not isinstance(content, Mapping):
        return content
    written = content.get("name", name)
    if written != name:
        reader.fail("name", f"{shown(written)} is not the name of the file", f"write {name}, or leave it out")
    return {**content, "name": name}


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
