"""Writes docs/spec-reference.md from the table of settings: python -m k8s_lifecycle.model.reference."""

from collections.abc import Iterator
from typing import Any

from k8s_lifecycle.model.external import External
from k8s_lifecycle.model.schema import Row, plain, rows, shown
from k8s_lifecycle.model.settings import Flannel, Spec

_HEAD = """\
# Cluster spec reference

One YAML file per cluster in the directory of the external pillar `k8s_clusters`, named after the cluster. The
whole file is checked before anything is done with it; `salt-run k8s.validate` checks it by hand.
[pillar/clusters](../pillar/clusters) has complete examples.

`NAME` stands for a name of your choice, `[]` for each item of a list. Keys that are **required** are so where
their section is there.

This page is generated from the code: `make docs`.
"""

_REQUIRED, _OPTIONAL = "**required**", "optional"

_EXTERNAL = """\
## Clusters that others run

One YAML file per cluster in `external/`, beside the specs, named after the cluster. They are listed in the
inventory, and never changed; `salt-run k8s.validate` checks them, too.
"""


def page() -> str:
    """Return the reference page."""
    flannel = ["## Values of the flannel addon", "", *table(list(rows(Flannel))), ""]
    return "\n".join([_HEAD, *chapters(Spec), *flannel, _EXTERNAL, *table(list(rows(External))), ""])


def chapters(cls: Any, title: str = "The cluster") -> Iterator[str]:
    """Yield a table of the single top-level keys, then a chapter for each key with keys below it."""
    everything = list(rows(cls))
    tops = [row for row in everything if "." not in row.path and "[]" not in row.path]
    nested = {
        top.path: [row for row in everything if row.path.startswith((f"{top.path}.", f"{top.path}["))]
        for top in tops
    }
    yield from (f"## {title}", "", *table([top for top in tops if not nested[top.path]]), "")
    for top in tops:
        if nested[top.path]:
            doc = f"{top.doc} {_sentence(_default(top, nested[top.path]))}"
            yield from (f"## {top.path}", "", doc, "", *table(nested[top.path]), "")


def table(listed: list[Row]) -> Iterator[str]:
    """Yield a table of keys."""
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for row in listed:
        yield f"| `{row.path}` | {row.kind} | {_default(row, listed)} | {row.doc} |"


def _default(row: Row, listed: list[Row]) -> str:
    if row.derived:
        return row.derived
    if row.required:
        return _REQUIRED
    keys = [other.path for other in listed if other.path.startswith(f"{row.path}.")]
    if row.default == {} and keys and not keys[0].startswith(f"{row.path}.NAME"):
        return "those of its keys"
    return _literal(plain(row.default))


def _literal(value: Any) -> str:
    if value in ([], {}, None, ""):
        return _OPTIONAL
    if isinstance(value, list):
        return f"`[{', '.join(value)}]`"
    return f"`{shown(value).strip(chr(39))}`"


def _sentence(default: str) -> str:
    if default == _REQUIRED:
        return "**Required.**"
    return "Optional." if default == _OPTIONAL else f"Default: {default}."


if __name__ == "__main__":
    print(page(), end="")
