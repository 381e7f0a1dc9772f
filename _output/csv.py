"""Show the inventory of the ``k8s`` runner as CSV, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

# What a spreadsheet takes for a formula, and runs: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def __virtual__() -> str:
    return "csv"


def output(data: Any, **_kwargs: Any) -> str:
    """
    Return the servers of an inventory as CSV (RFC 4180): a line of names, then a line for each server.

    Lists are joined by ``; ``. A text that a spreadsheet would take for a formula has ``'`` before it.

    CLI Example:

    .. code-block:: bash

        salt-run k8s.inventory --out=csv --out-file=servers.csv
    """
    if not isinstance(data, Mapping) or "error" in data or not data.get("servers"):
        return str(data["error"] if isinstance(data, Mapping) and "error" in data else data)
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(data["servers"][0])
    writer.writerows(map(_cell, server.values()) for server in data["servers"])
    return written.getvalue().removesuffix("\r\n")


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        value = "; ".join(one["what"] if isinstance(one, Mapping) else str(one) for one in value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
