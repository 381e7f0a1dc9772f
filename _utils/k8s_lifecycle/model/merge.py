"""Merging what a site writes over what this product generates."""

from collections.abc import Mapping, Sequence
from typing import Any


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` under `over`: mappings merge, lists of named items by name, the rest is replaced."""
    both = {key: _merged(base[key], value) for key, value in over.items() if key in base}
    return {**base, **over, **both}


def _merged(base: Any, over: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return merge(base, over)
    if is_named(base) and is_named(over):
        names = {item["name"] for item in over}
        return [*(item for item in base if item["name"] not in names), *over]
    return over


def is_named(value: Any) -> bool:
    """Tell whether a value is a list like kubeadm's extraArgs; a name may be there several times."""
    return isinstance(value, Sequence) and all(isinstance(item, Mapping) and "name" in item for item in value)
