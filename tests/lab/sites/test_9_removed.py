"""A server that is given away leaves nothing behind."""

from __future__ import annotations

from typing import Any

from asking import ENOUGH, LIAR, OUTSIDE, consul
from lab_session import Lab, wait_until


def test_a_server_whose_key_is_deleted_is_forgotten(sites: Lab, first: dict[str, Any]) -> None:
    sites("kill", LIAR)
    sites("salt-key", "--yes", f"--delete={LIAR}")

    def nodes() -> set[str]:
        return {one["Node"] for one in consul(sites, OUTSIDE, "catalog/nodes")}

    wait_until("no trace of it", lambda: LIAR not in nodes(), ENOUGH)
    assert OUTSIDE in nodes()
    for service in ("node-exporter", "inventory"):
        assert LIAR not in {one["Node"] for one in consul(sites, OUTSIDE, f"catalog/service/{service}")}
    assert consul(sites, OUTSIDE, f"health/node/{LIAR}") == []
