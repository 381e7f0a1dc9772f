"""Leases in a cluster's own API: its lock, the Lease kube-system/k8s-lifecycle, and others by name.

Every change is a compare-and-set on the version that was read. A lease expires by the clocks of the control
plane servers, which preflight keeps within seconds of each other; what protects a server from a holder that
outlived its lease is the fencing number.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from k8s_lifecycle.cluster.api import Api, ConflictError, Json

COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
NAME = "k8s-lifecycle"
FENCE = "k8s-lifecycle/fence"


@dataclass(frozen=True)
class Claim:
    """Who holds the lease, with which fencing number, and for how long still."""

    holder: str
    fence: int
    seconds_left: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"holder": self.holder, "fence": self.fence, "seconds_left": round(self.seconds_left, 1)}


def claim(lease: Json | None, now: float | None = None) -> Claim | None:
    """Return who holds a lease object; None where nobody does."""
    spec = lease["spec"] if lease else {}
    if lease is None or not spec.get("holderIdentity"):
        return None
    renewed = datetime.fromisoformat(spec["renewTime"]).timestamp()
    left = renewed + spec["leaseDurationSeconds"] - (time.time() if now is None else now)
    fence = lease["metadata"].get("annotations", {}).get(FENCE, "0")
    return Claim(spec["holderIdentity"], int(fence), left)


def find(api: Api, name: str = NAME) -> Json | None:
    """Return the lease object, if there is one."""
    return api.find(f"{COLLECTION}/{name}")


def acquire(api: Api, holder: str, fence: int, ttl: int, name: str = NAME) -> Claim:
    """Take or renew the lease, unless somebody else holds it; return who has it now."""
    lease = find(api, name)
    found = claim(lease)
    if found and found.holder != holder and found.seconds_left > 0:
        return found
    try:
        return _write(api, name, lease, Claim(holder, fence, ttl))
    except ConflictError:
        now = claim(find(api, name))
        return now or Claim("another run, just now", 0, 0)


def release(api: Api, holder: str, name: str = NAME) -> bool:
    """Give the lease back if this holder has it; its object stays and remembers the fencing number."""
    lease = find(api, name)
    found = claim(lease)
    if not lease or not found or found.holder != holder:
        return False
    lease["spec"]["holderIdentity"] = ""
    try:
        api.replace(f"{COLLECTION}/{name}", lease)
    except ConflictError:  # somebody took it over since it was read
        return False
    return True


def _write(api: Api, name: str, lease: Json | None, wanted: Claim) -> Claim:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    old = lease["spec"] if lease else {}
    renews = old.get("holderIdentity") == wanted.holder
    spec = {
        "holderIdentity": wanted.holder,
        "leaseDurationSeconds": int(wanted.seconds_left),
        "acquireTime": old["acquireTime"] if renews else now,
        "renewTime": now,
        "leaseTransitions": old.get("leaseTransitions", 0) + (0 if renews else 1),
    }
    metadata = {"name": name, "namespace": "kube-system", "annotations": {FENCE: str(wanted.fence)}}
    if lease:
        metadata["resourceVersion"] = lease["metadata"]["resourceVersion"]
    manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    if lease:
        api.replace(f"{COLLECTION}/{name}", manifest)
    else:
        api.create(COLLECTION, manifest)
    return wanted
