"""Kernel modules and settings, loaded now and at every boot."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from k8s_lifecycle.model.settings import Spec
from k8s_lifecycle.server import durable
from k8s_lifecycle.server.command import output

ROOT = Path("/")
FORWARDING = {"net.ipv4.ip_forward": "1"}
# There once br_netfilter is loaded; without it bridged packets are not filtered, and nothing is to be set.
BRIDGES = {"net.bridge.bridge-nf-call-ip6tables": "1", "net.bridge.bridge-nf-call-iptables": "1"}

_MODULES = "etc/modules-load.d/k8s.conf"
_SETTINGS = "etc/sysctl.d/90-k8s.conf"


def settings(spec: Spec) -> dict[str, str]:
    """Return the kernel settings of a server."""
    inner = {"net.ipv6.conf.all.forwarding": "1"} if ":" in spec.networks.pods else {}
    return {**FORWARDING, **inner, **BRIDGES, **spec.sysctl}


def differences(
    modules: Sequence[str], settings: Mapping[str, str], root: Path = ROOT
) -> dict[str, dict[str, str | None]]:
    """Return what is not as it should be, by name: what it is (`old`) and should be (`new`)."""
    wanted = {f"/{name}": text for name, text in _files(modules, settings).items()}
    found = {f"/{name}": _content(root / name) for name in _files(modules, settings)}
    for module in modules:
        wanted[module], found[module] = "loaded", "loaded" if _is_loaded(module, root) else None
    for name, value in settings.items():
        now = _content(_path(root, name))
        if now is not None or name not in BRIDGES:
            wanted[name], found[name] = value, None if now is None else " ".join(now.split())
    return {name: {"old": found[name], "new": new} for name, new in wanted.items() if new != found[name]}


def apply(modules: Sequence[str], settings: Mapping[str, str], root: Path = ROOT) -> None:
    """Load the modules, then set the settings: some exist only once a module is loaded."""
    for name, text in _files(modules, settings).items():
        durable.write(root / name, text, mode=0o644)
    absent = [module for module in modules if not _is_loaded(module, root)]
    if absent:
        output("modprobe", "--all", *absent)
    for name in differences((), settings, root).keys() & settings.keys():
        path = _path(root, name)
        if not path.exists():
            raise RuntimeError(
                f"the kernel has no setting {name} — load its module, or take it out of sysctl"
            )
        path.write_text(settings[name], encoding="ascii")


def _path(root: Path, name: str) -> Path:
    """Return a setting's file. Where its first separator is a slash, dots are dots, as sysctl.d(5) says."""
    if "." in name.partition("/")[0]:
        name = name.translate(str.maketrans("./", "/."))
    return root / "proc/sys" / name


def _files(modules: Sequence[str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return the files that do at boot what `apply` does now; `-` lets a setting be absent."""
    lines = [f"{'-' if name in BRIDGES else ''}{name} = {value}" for name, value in sorted(settings.items())]
    return {_MODULES: _lines(modules), _SETTINGS: _lines(lines)}


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in ("# Managed by Salt (k8s.os).", *lines))


def _is_loaded(module: str, root: Path) -> bool:
    """A module that is built in has a directory only if it has parameters, and is in a list otherwise."""
    name = module.replace("-", "_")
    builtin = _content(root / "lib/modules" / _release(root) / "modules.builtin") or ""
    return (root / "sys/module" / name).exists() or f"/{name}.ko" in builtin.replace("-", "_")


def _release(root: Path) -> str:
    return (_content(root / "proc/sys/kernel/osrelease") or "").strip()


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
