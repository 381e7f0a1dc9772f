"""Write TOML: Python's standard library only reads it, and stock Salt brings no writer."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def dumps(table: Mapping[str, Any]) -> str:
    """Return a mapping as a TOML document; what JSON and TOML write alike is written as JSON."""
    return "\n".join(_lines(table, ())) + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    subtables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (len(subtables) < len(table) or not table):
        yield f"\n[{'.'.join(_key(part) for part in path)}]"
    for key, value in table.items():
        if key not in subtables:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in subtables.items():
        yield from _lines(value, (*path, key))


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if not isinstance(value, str | bool | int | float):
        raise TypeError(f"TOML has no way to write {value!r}")
    return json.dumps(value, ensure_ascii=False)
