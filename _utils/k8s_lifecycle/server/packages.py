"""Which packages a server is given, and which it has."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from k8s_lifecycle.model import endpoint
from k8s_lifecycle.model.settings import Repository, Spec
from k8s_lifecycle.server.command import output

KUBERNETES = ("kubeadm", "kubectl", "kubelet")
CONTAINERD = ("containerd", "containerd.io")

_KEYRING = "/etc/apt/keyrings/k8s.asc"
_TOOLS = ("conntrack", "ethtool", "socat")
_CLOCK = ("chrony",)
_ENDPOINT = ("curl", "haproxy", "keepalived")


@dataclass(frozen=True)
class Installed:
    """A package on a server."""

    version: str
    held: bool


def pinned(spec: Spec) -> dict[str, str]:
    """Return the packages whose exact version the spec gives."""
    revision = f"{spec.version}-{spec.packages.revision}"
    containerd = spec.packages.containerd
    return {**dict.fromkeys(KUBERNETES, revision), containerd.name: containerd.version}


def at_installed_version(spec: Spec, have: Mapping[str, Installed]) -> Spec:
    """Return the spec at the Kubernetes version that a server has already, if it has one.

    The cluster may run an older version than its spec asks for, and only the runner sees that. So highstate
    installs what is missing and neither raises nor lowers what a run has prepared.
    """
    suffix = f"-{spec.packages.revision}"
    kubelet = have.get("kubelet")
    if kubelet is None or not kubelet.version.endswith(suffix):
        return spec
    return spec.at_version(kubelet.version.removesuffix(suffix))


def helpers(spec: Spec, role: str, sets_clock: bool) -> list[str]:
    """Return the packages needed in any version, besides what the pinned ones bring along."""
    return [
        *_TOOLS,
        *(_CLOCK if sets_clock else ()),
        *(_ENDPOINT if endpoint.is_managed(spec, role) else ()),
    ]


def repository(spec: Spec) -> dict[str, str] | None:
    """Return the apt source of the spec's repository, in deb822 format, and the key that signs it."""
    found = spec.packages.repository
    return source(found, _KEYRING) if found else None


def source(repository: Repository, keyring: str) -> dict[str, str]:
    """Return the apt source of a repository, in deb822 format, and the key that signs it."""
    fields = {
        "Types": "deb",
        "URIs": repository.url,
        "Suites": repository.suite,
        **({} if repository.is_flat else {"Components": " ".join(repository.components)}),
        "Signed-By": keyring,
    }
    text = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return {"key": repository.key, "keyring": keyring, "source": text}


def preferences(pins: Mapping[str, str]) -> str:
    """Return the apt preferences that leave exactly the pinned versions installable, downgrades included."""
    return "\n".join(
        f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n"
        for name, version in sorted(pins.items())
    )


def installed(names: Collection[str]) -> dict[str, Installed]:
    """Return which of these packages are installed."""
    query = "${db:Status-Status}\t${db:Status-Want}\t${Package}\t${Version}\n"
    # Status 1 says that one of the names is unknown.
    lines = output("dpkg-query", "--show", f"--showformat={query}", *names, accept=(0, 1)).splitlines()
    rows = (line.split("\t") for line in lines)
    return {
        name: Installed(version, want == "hold")
        for status, want, name, version in rows
        if status == "installed"
    }


def not_held(names: Collection[str]) -> list[str]:
    """Return which of these packages apt may change."""
    found = installed(names)
    return sorted(name for name in names if name not in found or not found[name].held)


def hold(names: Collection[str]) -> None:
    """Keep apt from changing these packages unless it is told to."""
    output("apt-mark", "hold", *names)


def versions() -> dict[str, str | None]:
    """Return the version of each Kubernetes package and of containerd, whichever package that is from."""
    found = installed((*KUBERNETES, *CONTAINERD))
    version = {name: found[name].version if name in found else None for name in (*KUBERNETES, *CONTAINERD)}
    runtime = next((version[name] for name in CONTAINERD if version[name]), None)
    return {**{name: version[name] for name in KUBERNETES}, "containerd": runtime}


def offered(index: str, names: Collection[str]) -> dict[str, frozenset[str]]:
    """Return the versions of packages that a repository's Packages index lists."""
    stanza = re.compile(r"^Package: (\S+)$.*?^Version: (\S+)$", re.MULTILINE | re.DOTALL)
    found = stanza.findall(index)
    return {name: frozenset(version for other, version in found if other == name) for name in names}
