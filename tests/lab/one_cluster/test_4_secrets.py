"""After all that, no secret is to be seen by anybody who should not."""

from __future__ import annotations

from typing import Any

from witness import Witness


def test_the_witness_finds_what_is_planted(provisioned: dict[str, Any], witness: Witness) -> None:
    assert witness.finds_what_is_planted()


def test_no_secret_was_to_be_seen_anywhere(provisioned: dict[str, Any], witness: Witness) -> None:
    """Logs at debug level, job caches, the event bus, command lines, journals, and what everyone can read."""
    found = witness.found()
    assert not found, "\n".join(found)
