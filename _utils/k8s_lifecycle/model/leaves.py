"""Comparing two configurations value by value, in the form that Kubernetes gives them back."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from k8s_lifecycle.model.merge import is_named

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_UNITS = "|".join(sorted(_SECONDS, key=len, reverse=True))


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Return every single value by its path; lists of named items are mappings, what is empty is absent."""
    if isinstance(value, Mapping):
        items = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
    elif value and is_named(value):
        items = [
            (f"{path}.{name}", _said_by(value, name))
            for name in dict.fromkeys(item["name"] for item in value)
        ]
    else:
        return {} if value in (None, "", []) else {path: value}
    return {leaf: found for here, item in items for leaf, found in leaves(item, here).items()}


def differ(first: Any, second: Any) -> bool:
    """Tell whether two values mean something different to Kubernetes."""
    return bool(_comparable(first) != _comparable(second))


def seconds(duration: str) -> float:
    """Return a duration as Go writes it, such as `8760h0m0s`, in seconds."""
    parts = re.findall(rf"([\d.]+)({_UNITS})", duration)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _said_by(items: Sequence[Mapping[str, Any]], name: str) -> Any:
    """Return what the items of one name say: one argument's value, several, or a volume's fields."""
    said = [
        {key: entry for key, entry in item.items() if key != "name"} for item in items if item["name"] == name
    ]
    values = [item["value"] if item.keys() == {"value"} else item for item in said]
    return values[0] if len(values) == 1 else values


def _comparable(value: Any) -> Any:
    """Return a duration in seconds, since Go writes '60s' as '1m0s', and anything else as it is."""
    is_duration = isinstance(value, str) and re.fullmatch(rf"([\d.]+({_UNITS}))+", value)
    return seconds(value) if is_duration else value
