"""The types of single values in specs: names, addresses, versions, quantities."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from k8s_lifecycle.model.schema import Reader, Scalar, ValueProblemError
from k8s_lifecycle.model.versions import Version

DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DNS_NAME = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
_QUALIFIED = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_HOST_PORT = rf"({DNS_NAME})(:\d{{1,5}})?"
_REFERENCE = rf"({_HOST_PORT}/)?[a-z0-9]+([._/-]+[a-z0-9]+)*"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueProblemError(f"is {_type_name(value)}, not text; YAML needs quotes around it")


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    names = {int: "a number", float: "a number", list: "a list", tuple: "a list"}
    return names.get(type(value), "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}")


def _matching(pattern: str, wrong: str) -> Callable[[Any], str]:
    """Return a check for text that matches a whole pattern."""
    compiled = re.compile(pattern, re.ASCII)

    def check(value: Any) -> str:
        if compiled.fullmatch(_text(value)) is None:
            raise ValueProblemError(wrong)
        return str(value)

    return check


def _whole(minimum: int, maximum: int) -> Callable[[Any], int]:
    """Return a check for a whole number in a range."""

    def check(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueProblemError("is not a whole number")
        if not minimum <= value <= maximum:
            raise ValueProblemError("is out of range")
        return value

    return check


def text(label: str, pattern: str, example: str) -> Scalar:
    """Return a kind of text that matches a pattern."""
    return Scalar(label, f"write {label} such as {example}", _matching(pattern, f"is not {label}"))


def whole(minimum: int, maximum: int) -> Scalar:
    """Return a kind of whole number in a range."""
    label = f"a number from {minimum} to {maximum}"
    return Scalar(label, f"write {label}", _whole(minimum, maximum))


def choice(*words: str) -> Scalar:
    """Return a kind of text that is one of some words."""
    options = " or ".join((", ".join(words[:-1]), words[-1]))
    pattern = "|".join(re.escape(word) for word in words)
    return Scalar(
        f"one of {', '.join(words)}", f"write {options}", _matching(pattern, "is not one of the choices")
    )


def _netloc(value: str, schemes: tuple[str, ...]) -> str:
    """Return the part of a URL that names the host; raise ValueProblemError for another scheme or none."""
    with suppress(ValueError):
        parts = urlsplit(value)
        if parts.scheme in schemes and parts.netloc and (parts.port is None or parts.port):
            return parts.netloc
    raise ValueProblemError(
        f"is not a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    )


def url(*schemes: str, example: str) -> Scalar:
    """Return a kind of URL with one of some schemes and without anything secret in it."""
    label = "a URL"

    def check(value: Any) -> str:
        if "@" in _netloc(_text(value), schemes):
            raise ValueProblemError("has a user or password in it, and a spec is no place for secrets")
        return str(value)

    return Scalar(label, f"write a URL such as {example}", check)


def _cidr(value: Any) -> str:
    try:
        network = ipaddress.ip_network(_text(value), strict=False)
    except ValueError as error:
        raise ValueProblemError("is not a network") from error
    if network.version != 4:  # noqa: PLR2004
        raise ValueProblemError("is an IPv6 network, which is not supported yet")
    if str(network) != value:
        raise ValueProblemError(f"is not the first address of a network; its network is {network}")
    return str(network)


def _address(value: Any) -> str:
    try:
        return str(ipaddress.IPv4Address(_text(value)))
    except ValueError as error:
        raise ValueProblemError("is not an IPv4 address") from error


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueProblemError("is neither true nor false")
    return value


def _version(value: Any) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        raise ValueProblemError("is a number: a version has three parts")
    try:
        return str(Version.parse(_text(value)))
    except ValueError as error:
        raise ValueProblemError("is not a version") from error


def _count_or_share(value: Any) -> int | str:
    if isinstance(value, str) and re.fullmatch(r"(100|[1-9]\d?)%", value):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueProblemError("is neither a count nor a percentage")
    return value


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueProblemError(f"is {_type_name(value)}, not text or a whole number")
    return str(value)


def _passthrough(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueProblemError("is not a mapping")
    _require_plain(value, "")
    found: dict[str, Any] = _without_nulls(value)
    return found


def _without_nulls(value: Any) -> Any:
    """Return a value without the keys that have none: what is empty counts as not written, as elsewhere."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list | tuple) else value


def _require_plain(value: Any, where: str) -> None:
    """Raise ValueProblemError unless the value survives JSON as it is."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueProblemError(
                    f"has the key {key!r}, which is {_type_name(key)}; YAML needs quotes around it"
                )
            _require_plain(item, f"{where}.{key}" if where else key)
    elif isinstance(value, list | tuple):
        for item in value:
            if item is None:
                raise ValueProblemError(f"has an empty item in the list at {where}")
            _require_plain(item, where)
    elif value is not None and not isinstance(value, str | int | float | bool):
        raise ValueProblemError(f"has a {type(value).__name__} at {where}; YAML needs quotes around it")


@dataclass(frozen=True)
class Secret:
    """Text that matches a pattern and is never shown, also where it is wrong."""

    label: str
    pattern: str
    remedy: str

    def read(self, reader: Reader, path: str, value: Any) -> Any:
        """Return the text."""
        if isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII | re.DOTALL):
            return value
        return reader.fail(path, f"it is not {self.label} (it is not shown: it may be secret)", self.remedy)

    def sections(self) -> Iterator[tuple[str, Any]]:
        """Yield nothing: it holds no settings."""
        return iter(())


API_URL = url("https", example="https://203.0.113.7")
ADDRESS = Scalar("an IPv4 address", "write an IPv4 address such as 10.11.0.100", _address)
ADDRESS_PORT = text("a network address", rf"{DNS_NAME}:\d{{1,5}}", "127.0.0.1:6443 (host and port)")
BCRYPT = Secret(
    "a bcrypt hash",
    r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}",
    "write what `htpasswd -nBC 12 NAME` prints after the colon",
)
CERTIFICATE = Secret(
    "a certificate in PEM", r"-----BEGIN CERTIFICATE-----.+-----END CERTIFICATE-----\s*", "write the PEM text"
)
CIDR = Scalar("an IPv4 network", "write a network such as 10.244.0.0/16", _cidr)
CLUSTER_NAME = Scalar(
    "a cluster name",
    "name the file after the cluster, such as dc1-prod.yaml: lower case letters, digits and '-'",
    _matching(DNS_LABEL, "is not a cluster name"),
)
COLLECTOR = text("a collector of node_exporter", r"[a-z0-9_]+", "filesystem")
COMPONENT = text("a repository component", r"[A-Za-z0-9][A-Za-z0-9./+-]*", "main")
COUNT_OR_SHARE = Scalar(
    "a count or a percentage", 'write a count such as 1, or a share such as "10%"', _count_or_share
)
DEBIAN_REVISION = text("a Debian revision", r"[A-Za-z0-9.+~]+", '"1.1" (in quotes)')
DEBIAN_VERSION = text("a Debian version", r"(\d+:)?\d[A-Za-z0-9.+~:-]*", '"2.3.7-1"')
DNS = text("a DNS name", DNS_NAME, "cluster.local")
DURATION = text("a duration", r"[1-9]\d*[hdwy]", "15d")
EMAIL = text("an e-mail address", rf"[A-Za-z0-9._+-]+@{DNS_NAME}", "on-call@example.com")
FILE_GLOB = text("a file glob", r"/[^\s,]+", '"/etc/kubernetes/pki/*.crt"')
FILE = text("an absolute path", r"/[^\0\r\n]{0,254}", "/etc/k8s-clusters/gke-eu.conf")
FLAG = Scalar("true or false", "write true or false", _flag)
GOSSIP_KEY = Secret(
    "a gossip key", r"[A-Za-z0-9+/]{43}=", "write what `consul keygen` prints: 32 bytes in base64"
)
GRAIN = text("a grain name", r"[A-Za-z_][\w:.-]*", "k8s_pool")
HOST = text("a host name", DNS_NAME, "api.dc1-prod.example")
HOST_PORT = text(
    "a registry host", rf"{_HOST_PORT}|_default", "registry.example:5000 (host and port, no scheme)"
)
IDENTIFIER = text("a short name", DNS_LABEL, "dc1 (lower case letters, digits and '-')")
IMAGE = text(
    "an image",
    rf"{_REFERENCE}(:[\w][\w.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?",
    "registry.example:5000/library/busybox:1.35",
)
IMAGE_PREFIX = text("an image repository", _REFERENCE, "registry.example:5000/kubernetes (no scheme, no tag)")
INTERFACE = text("an interface name", r"[^\s/:]{1,15}", "eth0")
JOB = text("a job of Prometheus", r"[a-z-]{1,63}", "apiserver")
KEY_SOURCE = url("http", "https", "salt", example="salt://k8s/files/apt.asc")
LABEL_KEY = text("a label key", rf"({DNS_NAME}/)?{_QUALIFIED}", "example.com/disk")
LABEL_VALUE = text("a label value", rf"({_QUALIFIED})?", "ssd (at most 63 letters, digits, '-', '_' and '.')")
LINE = text("one line of text", r"[^\0-\x1f\x7f]{1,120}", "GKE (at most 120 characters)")
MAINTENANCE_WINDOW = text(
    "a maintenance window",
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d",
    "Sun 02:00-04:00 (a day, and times in UTC)",
)
METRIC_GLOB = text(
    "a metric glob", r"[A-Za-z_:*][A-Za-z0-9_:*]{0,127}", 'node_load1 or "redis_*" (`*` stands for anything)'
)
MINION = text(
    "a minion id",
    rf"(?=.{{1,63}}$)(?i:{DNS_NAME})",
    "dc1-cp-1 (letters, digits, '-' and '.': it becomes the node's name)",
)
MINION_GLOB = text(
    "a minion glob",
    r"[A-Za-z0-9*?]([-A-Za-z0-9.*?]{0,61}[A-Za-z0-9*?])?",
    "dc1-w-1 or \"dc1-w-*\" (letters, digits, '-', '.', '*' and '?')",
)
MODULE = text("a kernel module", r"[A-Za-z0-9_-]+", "br_netfilter")
PACKAGE = text("a package name", r"[a-z0-9][a-z0-9.+-]+", "containerd.io")
PRIVATE_KEY = Secret(
    "a private key in PEM",
    r"-----BEGIN ([A-Z ]+ )?PRIVATE KEY-----.+-----END ([A-Z ]+ )?PRIVATE KEY-----\s*",
    "write the PEM text",
)
PASSTHROUGH = Scalar("a mapping", "write the fields as the tool's own reference has them", _passthrough)
PASSWORD = Secret(
    "a password",
    r"(?!sdb://)[A-Za-z0-9!#$&()*+,./:;<=>?@^_{|}~\[\]-]{8,128}",
    "write 8 to 128 letters, digits and signs, without spaces, quotes and backslashes; "
    "of an sdb what sdb.get returns: Salt resolves no sdb:// in a pillar",
)
POOL_NAME = text("a pool name", DNS_LABEL, "general (lower case letters, digits and '-')")
PREFLIGHT_CHECK = text("a kubeadm preflight check", r"[A-Za-z0-9._-]+", "SystemVerification")
SALT_URL = text("a salt:// file", r"(salt://\S+)?", "salt://k8s/files/cilium.yaml")
SCALAR_TEXT = Scalar(
    "a value", "write text or a whole number, quoted if YAML reads it as something else", _scalar_text
)
SERVICE = text("a service name", DNS_LABEL, "redis (lower case letters, digits and '-': it is a DNS name)")
SERVICE_GLOB = text(
    "a service glob",
    rf"{DNS_LABEL}|[a-z0-9][-a-z0-9]{{0,61}}\*",
    "shop or \"shop-*\" (lower case letters, digits and '-'; `*` only at the end)",
)
SIZE = text("a size", r"[1-9]\d*[MGT]B", "50GB")
SUITE = text("a repository suite", r"/|[A-Za-z0-9][\w./-]*", "bookworm")
SYSCTL = text("a sysctl", r"[a-z0-9_]+([./][\w-]+)+", "vm.max_map_count")
TOKEN = Secret(
    "a token", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "write what `uuidgen` prints, in lower case"
)
USER = text("a user name", r"[A-Za-z0-9_.-]+", "prometheus")
VERSION = Scalar("a version", "write three numbers such as 1.37.2", _version)
WEB_URL = url("http", "https", example="http://mirror.example/apt")
