"""The inventory as one HTML page: everything that it needs is in it, and everything in it is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from k8s_lifecycle.decision.inventory import Inventory
from k8s_lifecycle.decision.inventory_drift import CRITICAL, WARNING
from k8s_lifecycle.decision.inventory_rows import Row

_HERE = Path(__file__).parent
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"
_CHOICES = ("datacenter", "environment", "cluster", "role")


def page(found: Inventory, problems: Sequence[str], taken: datetime, master: str) -> str:
    """Return the page. problems: mistakes in the files that the inventory starts from."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    style, script = (_HERE.joinpath(f"inventory.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return environment.get_template("inventory.html.jinja").render(
        rows=found.rows,
        clusters=found.clusters,
        datacenters=list(_datacenters(found)),
        totals=_totals(found.rows),
        choices={name: sorted({getattr(row, name) for row in found.rows}) for name in _CHOICES},
        problems=problems,
        taken=taken,
        master=master,
        # The browser runs no other script and no other style, whatever a name of a server tries.
        policy=f"{_POLICY}; script-src {_digest(script)}; style-src {_digest(style)}",
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704
    )


def _code(text: str) -> Markup:
    """Return a text, escaped, with what stands between backticks set as code."""
    parts: list[str] = text.split("`")
    parts[1::2] = [Markup("<code>{}</code>").format(one) for one in parts[1::2]]
    return Markup("").join(parts)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _datacenters(found: Inventory) -> Iterator[Mapping[str, Any]]:
    names = {row.datacenter for row in found.rows} | {one.datacenter for one in found.clusters}
    for name in sorted(names, key=lambda name: (not name, name)):
        rows = [row for row in found.rows if row.datacenter == name]
        clusters = [one for one in found.clusters if one.datacenter == name]
        yield {"name": name, "clusters": clusters, **_totals(rows)}


def _totals(rows: Sequence[Row]) -> dict[str, Any]:
    nodes = [row for row in rows if row.node]
    ends = [row.certificate_days for row in rows if row.certificate_days is not None]
    return {
        "servers": len(rows),
        "nodes": len(nodes),
        "ready": sum(row.node == "Ready" for row in nodes),
        "critical": sum(row.severity == CRITICAL for row in rows),
        "warning": sum(row.severity == WARNING for row in rows),
        "silent": sum(row.state == "silent" for row in rows),
        "cores": sum(row.cores or 0 for row in rows),
        "memory": sum(row.memory_gib or 0 for row in rows),
        "soonest": min(ends, default=None),
    }
