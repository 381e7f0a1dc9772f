"""The lock that a control plane server keeps for its cluster in a file of its own.

It counts while there is no cluster yet, and while no API server answers. It expires by this server's own
clock: since the boot where possible, which nobody sets, and by the wall clock after a reboot.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from k8s_lifecycle import fencing
from k8s_lifecycle.server import durable


@dataclass(frozen=True)
class Moment:
    """A point in time as this server counts it."""

    boot: str
    since_boot: float
    epoch: float

    @classmethod
    def now(cls) -> Moment:
        """Return the present."""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return cls(boot, time.clock_gettime(time.CLOCK_BOOTTIME), time.time())

    def passed(self, now: Moment) -> float:
        """Return the seconds between this moment and a later one."""
        if self.boot == now.boot:
            return now.since_boot - self.since_boot
        return max(0.0, now.epoch - self.epoch)


@dataclass(frozen=True)
class Lock:
    """Who holds the lock, with which fencing number, since when and for how long."""

    cluster: str
    holder: str
    fence: int
    ttl: float
    taken: Moment

    def seconds_left(self, now: Moment) -> float:
        """Return for how long the lock still counts."""
        return self.ttl - self.taken.passed(now)

    def to_dict(self, now: Moment) -> dict[str, Any]:
        """Return plain data."""
        return {
            "cluster": self.cluster,
            "holder": self.holder,
            "fence": self.fence,
            "seconds_left": round(self.seconds_left(now), 1),
        }


def held(directory: Path = fencing.DIRECTORY, now: Moment | None = None) -> Lock | None:
    """Return the lock that counts on this server now, if one does."""
    moment = now or Moment.now()
    locks = (_read(path) for path in sorted(directory.glob("lock-*.json")))
    return next((lock for lock in locks if lock and lock.seconds_left(moment) > 0), None)


def acquire(wanted: Lock, directory: Path = fencing.DIRECTORY) -> Lock:
    """Take or renew the lock of a cluster, unless somebody else holds it; return who has it now."""
    with durable.alone(directory / "lock.lock"):
        found = held(directory, wanted.taken)
        if found and (found.cluster, found.holder) != (wanted.cluster, wanted.holder):
            return found
        durable.write(_path(wanted.cluster, directory), json.dumps(asdict(wanted)))
        return wanted


def release(cluster: str, holder: str, directory: Path = fencing.DIRECTORY) -> bool:
    """Give the lock back if this holder has it; return whether it had."""
    with durable.alone(directory / "lock.lock"):
        found = _read(_path(cluster, directory))
        mine = found is not None and found.holder == holder
        if mine:
            _path(cluster, directory).unlink()
        return mine


def _path(cluster: str, directory: Path) -> Path:
    return directory / f"lock-{cluster}.json"


def _read(path: Path) -> Lock | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Lock(**{**content, "taken": Moment(**content["taken"])})
