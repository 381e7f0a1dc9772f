"""What grains tell of a server: the same on the server itself and from what the master remembers of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLACE = ("datacenter", "environment", "k8s_role", "k8s_pool")
_MIB = 2**20


def described(grains: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operating system, the kernel, the hardware and Salt's version, each None where not known."""
    memory = grains.get("mem_total")
    return {
        "os": " ".join(said for name in ("os", "osrelease") if isinstance(said := grains.get(name), str))
        or None,
        "kernel": grains.get("kernelrelease"),
        "hardware": {
            "cores": grains.get("num_cpus"),
            "memory": memory * _MIB if isinstance(memory, int) else None,
            "virtual": grains.get("virtual"),
            "manufacturer": grains.get("manufacturer"),
            "model": grains.get("productname"),
            "serial": grains.get("serialnumber"),
        },
        "salt": grains.get("saltversion"),
    }
