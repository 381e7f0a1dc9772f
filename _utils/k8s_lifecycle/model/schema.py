"""Settings as a table: one dataclass field holds a key's type, default, check and documentation.

A class decorated with `settings` is read by `Reader.section`, written by `plain` and documented by `rows`.
A value that cannot be read becomes `BROKEN` and its path is remembered, so that reading goes on and every
mistake is reported at once, each of them once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, dataclass_transform

LONGEST_SHOWN = 80
BROKEN: Any = type("Broken", (), {"__repr__": lambda _: "BROKEN"})()

T = TypeVar("T")


class ValueProblemError(Exception):
    """A value is wrong; the message continues 'the value ...'."""


@dataclass(frozen=True)
class Problem:
    """One mistake: where it is, what is wrong, what to write instead, and which clusters it concerns."""

    path: str
    wrong: str
    remedy: str
    clusters: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the mistake as one line for people."""
        return f"{self.path}: {self.wrong} — {self.remedy}"

    def within(self, cluster: str) -> Problem:
        """Return the same mistake as one of this cluster's file."""
        path = f"{cluster}.yaml: {self.path}" if self.path else f"{cluster}.yaml"
        return replace(self, path=path, clusters=(cluster,))


class Kind(Protocol):
    """A type of value: its name in the reference, how it is read, which settings it holds."""

    @property
    def label(self) -> str:
        """Return the name of the type, as the reference shows it."""

    @property
    def remedy(self) -> str:
        """Return what to write."""

    def read(self, reader: Reader, path: str, value: Any) -> Any:
        """Return the checked value, or `BROKEN` after telling the reader what is wrong."""

    def sections(self) -> Iterator[tuple[str, Any]]:
        """Yield each settings class inside the value with the path that leads to it."""


@dataclass(frozen=True)
class Setting:
    """What is known about a key besides its name and default."""

    kind: Kind
    doc: str
    derived: str


def setting(kind: Kind, doc: str, *, default: Any = MISSING, derived: str = "") -> Any:
    """Declare a key. `derived` says in words what an empty default stands for."""
    metadata = {"setting": Setting(kind, doc, derived)}
    if isinstance(default, Mapping):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(setting,))
def settings(cls: type[T]) -> type[T]:
    """Make a class of settings: frozen, built by keyword."""
    return dataclass(frozen=True, kw_only=True)(cls)


class Reader:
    """Reads plain data into settings and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._broken: set[str] = set()

    def fail(self, path: str, wrong: str, remedy: str) -> Any:
        """Report a mistake and return `BROKEN`."""
        self.report(Problem(path, wrong, remedy))
        return BROKEN

    def report(self, problem: Problem) -> None:
        """Note a mistake, and not to look at the same place again."""
        self.problems.append(problem)
        self._broken.add(problem.path)

    def is_sound(self, path: str) -> bool:
        """Tell whether nothing at, above or below a path is broken; `*` in it stands for any key."""
        return not any(_related(path, broken) for broken in self._broken)

    def section(self, cls: type[T], path: str, value: Any) -> T:
        """Return settings of a class from a mapping; what is broken in them is `BROKEN`."""
        if not isinstance(value, Mapping):
            return self.fail(path, f"{shown(value)} is not a mapping", Section(cls).remedy)  # type: ignore[no-any-return]
        entries: dict[str, Field[Any]] = {entry.name: entry for entry in fields(cls)}  # type: ignore[arg-type]
        meant = self._unknown_keys(path, [key for key in value if key not in entries], entries)
        return cls(
            **{
                name: self._key(path, entry, value.get(name), name in meant)
                for name, entry in entries.items()
            }
        )

    def _unknown_keys(self, path: str, unknown: list[Any], known: Iterable[str]) -> set[str]:
        """Report keys that do not exist; return the keys that were probably meant."""
        meant: set[str] = set()
        for key in unknown:
            guess = closest(str(key), known)
            remedy = f"did you mean '{guess}'?" if guess else f"known here: {', '.join(known)}"
            self.problems.append(Problem(join(path, str(key)), "unknown key", remedy))
            if guess:
                meant.add(guess)
                self._broken.add(join(path, guess))
        return meant

    def _key(self, path: str, entry: Field[Any], value: Any, misspelt: bool) -> Any:
        """Return the value of one key; an empty one counts as not written."""
        declared: Setting = entry.metadata["setting"]
        here = join(path, entry.name)
        if value is not None:
            return declared.kind.read(self, here, value)
        if misspelt:
            return BROKEN
        default = _default_of(entry)
        if default is MISSING:
            return self.fail(here, "missing", declared.kind.remedy)
        return default if default is None else declared.kind.read(self, here, default)


@dataclass(frozen=True)
class Section:
    """A mapping whose keys are declared by a settings class."""

    cls: Any
    label: str = "a mapping"

    @property
    def remedy(self) -> str:
        """Return what to write."""
        keys = [row.path for row in rows(self.cls) if row.required and "." not in row.path]
        return f"write a mapping with {' and '.join(keys)}" if keys else "write keys and values below it"

    def read(self, reader: Reader, path: str, value: Any) -> Any:
        """Return the settings."""
        return reader.section(self.cls, path, value)

    def sections(self) -> Iterator[tuple[str, Any]]:
        """Yield the settings class."""
        yield "", self.cls


@dataclass(frozen=True)
class ListOf:
    """A list whose items are of one kind."""

    item: Kind
    minimum: int = 0

    @property
    def label(self) -> str:
        """Return the name of the type."""
        return f"a list of {plural(self.item.label)}"

    @property
    def remedy(self) -> str:
        """Return what to write."""
        return f"write {self.label}, in [brackets]"

    def read(self, reader: Reader, path: str, value: Any) -> Any:
        """Return a tuple, or `BROKEN` if any item is."""
        if not isinstance(value, list | tuple):
            return reader.fail(path, f"{shown(value)} is not a list", self.remedy)
        if len(value) < self.minimum:
            return reader.fail(path, "the list is empty", f"write {self.label}, at least {self.minimum}")
        items = tuple(self.item.read(reader, f"{path}[{index}]", item) for index, item in enumerate(value))
        return BROKEN if BROKEN in items else items

    def sections(self) -> Iterator[tuple[str, Any]]:
        """Yield the settings classes of an item."""
        for suffix, cls in self.item.sections():
            yield "[]" + suffix, cls


@dataclass(frozen=True)
class MapOf:
    """A mapping from names of one kind to values of another."""

    key: Kind
    value: Kind

    @property
    def label(self) -> str:
        """Return the name of the type."""
        return f"a mapping of {plural(self.key.label)} to {plural(self.value.label)}"

    @property
    def remedy(self) -> str:
        """Return what to write."""
        return f"write {self.label}"

    def read(self, reader: Reader, path: str, value: Any) -> Any:
        """Return a dictionary, or `BROKEN` if any key is; broken values stay in it as such."""
        if not isinstance(value, Mapping):
            return reader.fail(path, f"{shown(value)} is not a mapping", self.remedy)
        items = {
            self.key.read(reader, join(path, str(key)), key): self.value.read(
                reader, join(path, str(key)), item
            )
            for key, item in value.items()
        }
        return BROKEN if BROKEN in items else items

    def sections(self) -> Iterator[tuple[str, Any]]:
        """Yield the settings classes of a value."""
        for suffix, cls in self.value.sections():
            yield ".NAME" + suffix, cls


@dataclass(frozen=True)
class Scalar:
    """A single value that a function checks; the function raises ValueProblemError."""

    label: str
    remedy: str
    check: Callable[[Any], Any]

    def read(self, reader: Reader, path: str, value: Any) -> Any:
        """Return the checked value."""
        try:
            return self.check(value)
        except ValueProblemError as error:
            return reader.fail(path, f"{shown(value)} {error}", self.remedy)

    def sections(self) -> Iterator[tuple[str, Any]]:
        """Yield nothing: a single value holds no settings."""
        return iter(())


@dataclass(frozen=True)
class Row:
    """One key as the reference shows it."""

    path: str
    kind: str
    default: Any
    derived: str
    doc: str
    required: bool


def rows(cls: Any, prefix: str = "") -> Iterator[Row]:
    """Yield every key of a settings class, the nested ones after their parent."""
    for entry in fields(cls):
        declared: Setting = entry.metadata["setting"]
        path = join(prefix, entry.name)
        default = _default_of(entry)
        required = default is MISSING
        yield Row(
            path, declared.kind.label, None if required else default, declared.derived, declared.doc, required
        )
        for suffix, nested in declared.kind.sections():
            yield from rows(nested, path + suffix)


def plain(value: Any) -> Any:
    """Return settings as plain data for YAML, JSON and Salt: dictionaries, lists and scalars."""
    if is_dataclass(value):
        return {entry.name: plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def join(path: str, key: str) -> str:
    """Return the path of a key below another."""
    return f"{path}.{key}" if path else key


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that somebody probably meant."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def shown(value: Any) -> str:
    """Return a value as its author would recognise it, on one line and without a password in it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    text = repr(value)
    return re.sub(
        r"//[^/@]*@", "//***@", text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
    )


def plural(label: str) -> str:
    """Return the plural of a type's name: 'label keys' of 'a label key', 'lists of x' of 'a list of x'."""
    noun, of, rest = re.sub(r"^an? ", "", label).partition(" of ")
    return f"{noun}{'es' if noun.endswith(('s', 'sh')) else 's'}{of}{rest}"


def _default_of(entry: Field[Any]) -> Any:
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def _related(path: str, other: str) -> bool:
    """Tell whether two paths are the same or one leads to the other."""
    pairs = zip(_steps(path), _steps(other), strict=False)
    return all(first == second or "*" in (first, second) for first, second in pairs)


def _steps(path: str) -> list[str]:
    return [step for step in re.split(r"[.\[\]]", path) if step]
