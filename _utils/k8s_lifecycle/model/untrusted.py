"""What a server says may be of any type and size, and forged: taken for no more than it should be."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 200
MOST = 64
GREATEST = 2**63
LATEST = 253402300799  # the end of the year 9999: datetime knows no later moment
# Controls (a terminal's escapes), formats (text that runs backwards), lone surrogates, line separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def text(value: Any, longest: int = LONGEST) -> str:
    """Return text or a number as one line that can be shown anywhere; empty for anything else."""
    if isinstance(value, int | float):
        found = number(value)
        return "" if found is None else f"{found:.15g}" if isinstance(found, float) else str(found)
    if not isinstance(value, str):
        return ""
    shown = value[:longest] + ("…" if len(value) > longest else "")
    return "".join("�" if unicodedata.category(one) in _UNSEEN else one for one in shown).strip()


def number(value: Any) -> int | float | None:
    """Return a finite number that is not negative and no truth value; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= GREATEST else None  # what is not a number is not in between


def moment(value: Any) -> float | None:
    """Return a time in seconds since the epoch; None for anything else."""
    found = number(value)
    return None if found is None or found > LATEST else float(found)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping, empty for anything else."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any, most: int = MOST) -> Sequence[Any]:
    """Return the first items of a list, none of anything else."""
    return list(value[:most]) if isinstance(value, list | tuple) else []


def texts(value: Any, most: int = MOST) -> tuple[str, ...]:
    """Return the texts of a list."""
    return tuple(found for one in items(value, most) if (found := text(one)))
