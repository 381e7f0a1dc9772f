"""Swap: what is in use now, and what a boot would bring back."""

from pathlib import Path

from k8s_lifecycle.server import durable
from k8s_lifecycle.server.command import output

SWAPS = Path("/proc/swaps")
FSTAB = Path("/etc/fstab")
_MARK = "# swap is off for the kubelet: "


def active(table: Path = SWAPS) -> tuple[str, ...]:
    """Return the devices and files that are in use as swap."""
    try:
        _, *lines = table.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # a kernel without swap
        return ()
    return tuple(line.split()[0] for line in lines)


def at_boot(fstab: Path = FSTAB) -> tuple[str, ...]:
    """Return the lines of fstab that turn swap on."""
    return tuple(line for line in _lines(fstab) if _is_swap(line))


def turn_off(fstab: Path = FSTAB) -> None:
    """Turn swap off, now and for every boot."""
    if at_boot(fstab):
        kept = [f"{_MARK}{line}" if _is_swap(line) else line for line in _lines(fstab)]
        durable.write(fstab, "\n".join(kept) + "\n", mode=0o644)
    if active():
        output("swapoff", "--all", timeout=600)


def _lines(fstab: Path) -> list[str]:
    try:
        return fstab.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _is_swap(line: str) -> bool:
    fields = line.split()
    return len(fields) > 2 and not line.lstrip().startswith("#") and fields[2] == "swap"  # noqa: PLR2004
